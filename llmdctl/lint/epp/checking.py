"""(configuration, version) -> remarks. Pure; nothing is started."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from llmdctl.lint.epp import disaggregation, flow_control, plugins, producers, profiles, references, structure
from llmdctl.lint.epp.catalogue import VERSIONS, catalogue
from llmdctl.lint.epp.config import Config
from llmdctl.lint.epp.remark import Remark, remark
from llmdctl.lint.epp.text import read
from llmdctl.model.finding import Severity

_CHECKS: Final = (structure, plugins, references, producers, profiles, disaggregation, flow_control)
_RANK: Final = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.UNKNOWN: 2, Severity.NOTE: 3}
_RELEASE: Final = re.compile(r"v?(\d+)\.(\d+)(?:\.\d+)?(?:[-+.].*)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What was found, worst first, and the node of the text for line numbers (None for a mapping)."""

    remarks: tuple[Remark, ...]
    node: yaml.Node | None = None

    @property
    def accepted(self) -> bool:
        """Whether the endpoint picker would start, as far as is known."""
        return not any(found.is_error for found in self.remarks)


def check(text: str, version: str, *, allow_alpha: bool | None = None) -> Verdict:
    """Judges the text of an EndpointPickerConfig for a version of `catalogue.VERSIONS`.

    `allow_alpha`: whether --allow-experimental-plugins is set; None when that is not known.
    """
    reading = read(text)
    if reading.value is None:
        return Verdict(remarks=reading.remarks, node=reading.node)
    found = check_value(reading.value, version, allow_alpha=allow_alpha)
    return Verdict(remarks=(*reading.remarks, *found.remarks), node=reading.node)


def check_value(value: Any, version: str, *, allow_alpha: bool | None = None) -> Verdict:  # noqa: ANN401
    """The same for a value that has been read already."""
    if not isinstance(value, Mapping):
        return Verdict(remarks=(remark("LD1801", (), "The configuration is no mapping: the EPP does not start."),))
    config = Config(value=value, catalogue=catalogue(version), allow_alpha=allow_alpha)
    found = {item: None for rule in _CHECKS for item in rule.check(config)}
    return Verdict(remarks=tuple(sorted(found, key=lambda item: (_RANK[item.severity], _order(item)))))


def nearest_version(release: str) -> tuple[str, bool]:
    """The version of VERSIONS to judge a release by, and whether it is that very minor version.

    A release that cannot be read (`main`, a digest, nothing) is judged by the newest.
    """
    match = _RELEASE.fullmatch(release.strip())
    if not match:
        return VERSIONS[-1], False
    wanted = (int(match[1]), int(match[2]))
    minor = f"{wanted[0]}.{wanted[1]}"
    if minor in VERSIONS:
        return minor, True
    older = [version for version in VERSIONS if tuple(map(int, version.split("."))) <= wanted]
    return (older[-1] if older else VERSIONS[0]), False


def _order(item: Remark) -> tuple[str, str]:
    return item.code, "/".join(str(step).rjust(4) if isinstance(step, int) else step for step in item.path)
