"""Names of paths and facets that a file mentions: one that nothing has would never hold, without a word."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from llmdctl.errors import Problem
from llmdctl.model.document import Document, json_path
from llmdctl.model.selection import spoken
from llmdctl.recipe.names import choices, nearest

Names = Callable[[str], tuple[str, ...]]
"""From a kind (`path` or an axis) to the names that exist."""


def dangling(document: Document, names: Names) -> Iterator[Problem]:
    """Every name in `match`, `defaults` and `offers` that does not exist; the file follows its schema."""
    for path, kind, name in _mentioned(document.value):
        if kind != "role" and name not in names(kind):
            close = nearest(name, names(kind))
            yield Problem(
                file=document.file,
                line=document.line(path),
                path=json_path(path),
                message=f"there is no {spoken(kind)} '{name}'.",
                suggestion=close,
                remedy=None if close else choices(names(kind)),
            )


def _mentioned(value: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """(path in the file, kind, name)."""
    for section in ("when", "excludes", "cells", "defaults_for"):
        for index, entry in enumerate(value.get(section) or ()):
            yield from _named(entry["match"], (section, index, "match"))
            if section == "defaults_for":
                yield from _named(entry["defaults"], (section, index, "defaults"))
    for section in ("defaults", "offers"):
        yield from _named(value.get(section) or {}, (section,))


def _named(
    mapping: Mapping[str, Any], place: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    for kind, stated in mapping.items():
        for name in (stated,) if isinstance(stated, str) else stated:
            yield (*place, kind), kind, name
