"""A YAML file as data, with the place of every value in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Mark(NamedTuple):
    """Where a value starts, and where the values inside it do.

    The line of a mapping's entry is the line of its key. `inside` mirrors the value: a dict for a mapping, a list
    for a sequence, None for a scalar.
    """

    line: int  # 1-based
    column: int  # 1-based
    inside: dict[str, Mark] | list[Mark] | None = None

    def at(self, path: Sequence[str | int]) -> Mark:
        """The mark of the value at `path`, or the nearest one above it."""
        mark = self
        for step in path:
            found = mark._child(step)
            if found is None:
                break
            mark = found
        return mark

    def _child(self, step: str | int) -> Mark | None:
        inside = self.inside
        found: Mark | None = None
        if isinstance(inside, dict) and isinstance(step, str):
            found = inside.get(step)
        elif isinstance(inside, list) and isinstance(step, int) and 0 <= step < len(inside):
            found = inside[step]
        return found


def json_path(path: Sequence[str | int]) -> str:
    """`('a', 0, 'b.c')` as people write it: `a[0]."b.c"`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
            continue
        name = step if step and not set(step) & set('."[] ') else '"' + step.replace('"', '\\"') + '"'
        text += f".{name}" if text else name
    return text


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """One file: its name as shown to people, its content, and where everything stands."""

    file: str
    value: Mapping[str, Any]
    mark: Mark

    def line(self, path: Sequence[str | int]) -> int:
        """The 1-based line of the value at `path`, or of the nearest thing above it that exists."""
        return self.mark.at(path).line
