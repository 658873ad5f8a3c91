"""What a facet needs of the rest of the recipe: `facts.needs` of an autoscaler."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from llmdctl.errors import Problem
from llmdctl.model.document import json_path
from llmdctl.model.selection import spoken

Locate = Callable[[tuple[str, ...]], tuple[str | None, int | None]]

_EPP: Final = ("global", "llmd", "eppVersion")
_FLOW_CONTROL: Final = ("global", "llmd", "flowControl")
DEFAULT_EPP: Final = "0.9"  # of the umbrella chart (a test compares the two)


def unmet(facts: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any], locate: Locate) -> Iterator[Problem]:
    """Needs of the chosen facets that the composed values do not meet: an endpoint picker too old, flow control off."""
    for axis, found in facts.items():
        needs = found.get("needs") or {}
        word = spoken(axis)
        version = str(_at(values, _EPP, DEFAULT_EPP))
        least = str(needs.get("epp") or "").removeprefix(">=")
        if least and _ordered(version) < _ordered(least):
            message = f"the {word} needs the endpoint picker {least} or later, not {version}."
            yield _problem(_EPP, message, locate)
        if needs.get("flow_control") and _at(values, _FLOW_CONTROL, default=False) is not True:
            message = f"the {word} reads signals of the flow control of the endpoint picker, so it must be on."
            yield _problem(_FLOW_CONTROL, message, locate)


def _ordered(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"[0-9]+", version))


def _at(values: Mapping[str, Any], path: tuple[str, ...], default: Any) -> Any:  # noqa: ANN401  any JSON value
    found: Any = values
    for step in path:
        found = found.get(step) if isinstance(found, Mapping) else None
    return default if found is None else found


def _problem(path: tuple[str, ...], message: str, locate: Locate) -> Problem:
    file, line = locate(path)
    return Problem(file=file, line=line, path=json_path(path), message=message)
