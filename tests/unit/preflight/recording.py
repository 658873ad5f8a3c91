"""Items of an inventory that remember which of their fields were read, and items without one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from llmdctl.model.inventory import Section
from llmdctl.preflight.case import Case
from llmdctl.preflight.checks import CHECKS
from llmdctl.preflight.judging import judge

Path = tuple[str, ...]
EACH = "[]"
"""A step into every item of a list."""


class Recording(dict[str, Any]):
    """A mapping that notes each key that is asked of it, those of mappings inside it too."""

    def __init__(self, mapping: Mapping[str, Any], path: Path, read: set[Path]) -> None:
        super().__init__({key: recording(value, (*path, key), read) for key, value in mapping.items()})
        self._path = path
        self._read = read

    def __getitem__(self, key: str) -> Any:
        self._read.add((*self._path, key))
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._read.add((*self._path, key))
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        self._read.add((*self._path, str(key)))
        return super().__contains__(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def keys(self) -> Any:
        names = super().keys()
        self._read |= {(*self._path, key) for key in names}
        return names

    def values(self) -> Any:
        self.keys()
        return super().values()

    def items(self) -> Any:
        self.keys()
        return super().items()


def recording(value: Any, path: Path, read: set[Path]) -> Any:
    """The value, with every mapping in it recording into `read`."""
    if isinstance(value, dict):
        return Recording(value, path, read)
    if isinstance(value, list):
        return [recording(each, (*path, EACH), read) for each in value]
    return value


def leaves(read: set[Path]) -> list[Path]:
    """The paths that were read and not only gone through."""
    through = {path[:length] for path in read for length in range(len(path))}
    return sorted(path for path in read if path not in through)


def without(value: Any, path: Path) -> Any:
    """The value without the field at `path`."""
    step, *rest = path
    if step == EACH:
        return [without(each, tuple(rest)) for each in value] if isinstance(value, list) else value
    if not isinstance(value, dict) or step not in value:
        return value
    if not rest:
        return {key: each for key, each in value.items() if key != step}
    return {**value, step: without(value[step], tuple(rest))}


def sections_read(case: Case, code: str) -> frozenset[str]:
    """The sections that a check reads in a case."""
    seen: set[str] = set()

    class Watched(dict[str, Section]):
        def get(self, name: str, default: Section | None = None) -> Section | None:  # type: ignore[override]
            seen.add(name)
            return super().get(name, default)

    watched = Watched(case.inventory.sections)
    judge(replace(case, inventory=replace(case.inventory, sections=watched)), [CHECKS[code]])
    return frozenset(seen)
