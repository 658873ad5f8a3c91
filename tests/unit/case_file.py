"""A case in a file of its own: what is so, and what has to be said of it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.documents import load


@dataclass(frozen=True)
class CaseFile:
    """One YAML file with `title`, `expect`, perhaps `source`, and whatever else its kind of case has."""

    file: Path

    @cached_property
    def data(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = load(self.file.read_text(encoding="utf-8"))
        return found

    @property
    def name(self) -> str:
        return self.file.stem

    @property
    def title(self) -> str:
        return str(self.data["title"])

    @property
    def source(self) -> str:
        return str(self.data.get("source") or "")

    @property
    def expected(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.data["expect"]
        return found


def merged(base: Any, over: Any) -> Any:
    """What `merge` in a case means: mappings are merged, a null takes away, lists of named entries are merged by name
    with new ones at the end, and everything else is replaced."""
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        kept = {key: value for key, value in base.items() if key not in over or over[key] is not None}
        return kept | {key: merged(base.get(key), value) for key, value in over.items() if value is not None}
    if isinstance(base, list) and isinstance(over, list) and _named(base) and _named(over):
        left = {row["name"]: row for row in base}
        right = {row["name"]: row for row in over}
        return [merged(row, right.get(name, {})) for name, row in left.items()] + [
            row for name, row in right.items() if name not in left
        ]
    return copy.deepcopy(over)


def _named(rows: list[Any]) -> bool:
    return all(isinstance(row, Mapping) and "name" in row for row in rows)
