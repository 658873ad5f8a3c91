"""What llmdctl knows of a release, written as labels of Helm's own release record.

Labels, because they can be read back without reading the record itself, which is a Secret and holds the values. They
are on no object of the release, so that a new tool version restarts nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from llmdctl import __version__
from llmdctl.model.release import ReleaseSpec

_PREFIX: Final = "llmdctl.dev/"
_FACET: Final = f"{_PREFIX}facet-"
RECIPE: Final = f"{_PREFIX}recipe"
OPERATION: Final = f"{_PREFIX}operation"
VALUES: Final = f"{_PREFIX}values"
_LABEL_LIMIT: Final = 63  # characters in a label's value
_BETWEEN: Final = "_"  # codes in a label
_CODES: Final = 9  # that fit; the description of the revision has all of them
_NOTHING: Final = "none"  # said, because Helm keeps a label of the last revision that the next one leaves out


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseFacts:
    """How a release came to be; empty strings where it was not made by llmdctl."""

    recipe: str
    facets: Mapping[str, str] = field(default_factory=dict)
    evidence: str = ""
    forced: bool = False
    overruled: tuple[str, ...] = ()  # codes of checks that failed and that somebody went over; the first nine
    tool_version: str = ""
    operation: str = ""  # who is, or was, at work on it: see `operation`


def to_labels(spec: ReleaseSpec, *, operation: str) -> dict[str, str]:
    """The labels for the next revision of a release."""
    labels = {
        RECIPE: spec.recipe,
        f"{_PREFIX}evidence": spec.evidence,
        f"{_PREFIX}forced": "true" if spec.forced else "false",
        f"{_PREFIX}overruled": _BETWEEN.join(spec.overruled[:_CODES]) or _NOTHING,
        f"{_PREFIX}version": __version__,
        OPERATION: operation,
    }
    labels |= {f"{_FACET}{axis.replace('_', '-')}": name for axis, name in spec.facets.items()}
    return {key: label_value(value) for key, value in labels.items()}


def from_labels(labels: Mapping[str, str]) -> ReleaseFacts:
    """The facts of a revision."""
    return ReleaseFacts(
        recipe=labels.get(RECIPE, ""),
        facets={
            key.removeprefix(_FACET).replace("-", "_"): value
            for key, value in sorted(labels.items())
            if key.startswith(_FACET)
        },
        evidence=labels.get(f"{_PREFIX}evidence", ""),
        forced=labels.get(f"{_PREFIX}forced") == "true",
        overruled=_codes(labels.get(f"{_PREFIX}overruled", _NOTHING)),
        tool_version=labels.get(f"{_PREFIX}version", ""),
        operation=labels.get(OPERATION, ""),
    )


def _codes(label: str) -> tuple[str, ...]:
    return () if label == _NOTHING else tuple(filter(None, label.split(_BETWEEN)))


def values_label(values: Mapping[str, Any], revision: int) -> str:
    """A revision and a digest of its values: whether they are the same can be told without a run of Helm.

    The number is in it because Helm hands labels on to a revision that another tool makes, or that goes back.
    """
    written = json.dumps(values, sort_keys=True, default=str)
    return f"{revision}.{hashlib.sha256(written.encode()).hexdigest()[:32]}"


def label_value(text: str) -> str:
    """The text as Kubernetes admits it in a label: other characters become `-`, the length is cut."""
    cleaned = re.sub(r"[^A-Za-z0-9_.-]", "-", text)[:_LABEL_LIMIT]
    return re.sub(r"^[^A-Za-z0-9]+|[^A-Za-z0-9]+$", "", cleaned)
