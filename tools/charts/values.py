"""Reads a commented values.yaml: every key with its default, its comment and its schema annotation.

The comment lines directly above a key describe it. A line ``# @schema {...}`` among them is a YAML
mapping that says what the default alone cannot: see ``schema.py``. A comment that stands apart (a blank
line after it) belongs to no key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ANNOTATION = "# @schema "
ROOT = Path(__file__).resolve().parents[2]
CHARTS = ROOT / "charts"


class ValuesError(Exception):
    """A values.yaml that the generators cannot read; the message names the file and the line."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One key of values.yaml."""

    path: tuple[str, ...]
    default: object
    description: str
    annotation: Mapping[str, Any]
    children: tuple[Entry, ...]
    line: int

    @property
    def dotted(self) -> str:
        return ".".join(self.path)


GENERATED = "# >>>"  # opens a block that a generator writes; no part of the description


def read(path: Path) -> tuple[Entry, ...]:
    """The entries of a values file, nested, in the order of the file.

    Raises:
        ValuesError: no YAML mapping, or an annotation that is none.
    """
    text = path.read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        if root is None or not text.strip("{} \n"):
            return ()
        raise ValuesError(f"{path}: no mapping")
    return tuple(_entries(root, text.splitlines(), (), path))


def walk(entries: tuple[Entry, ...]) -> Iterator[Entry]:
    """Every entry, parents before children."""
    for entry in entries:
        yield entry
        yield from walk(entry.children)


def _entries(node: yaml.MappingNode, lines: list[str], prefix: tuple[str, ...], path: Path) -> Iterator[Entry]:
    for key, value in node.value:
        own = (*prefix, key.value)
        description, annotation = _comment(lines, key.start_mark.line, path)
        nested = isinstance(value, yaml.MappingNode) and "ref" not in annotation and "mapOf" not in annotation
        yield Entry(
            path=own,
            default=_construct(value),
            description=description,
            annotation=annotation,
            children=tuple(_entries(value, lines, own, path)) if nested else (),
            line=key.start_mark.line + 1,
        )


def _construct(node: yaml.Node) -> object:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    finally:
        loader.dispose()


def _comment(lines: list[str], line: int, path: Path) -> tuple[str, Mapping[str, Any]]:
    """The comment block that ends on the line above a key."""
    first = line
    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    words: list[str] = []
    annotation: dict[str, Any] = {}
    for number in range(first, line):
        text = lines[number].strip()
        if text.startswith(ANNOTATION):
            found = yaml.safe_load(text.removeprefix(ANNOTATION))
            if not isinstance(found, dict):
                raise ValuesError(f"{path}:{number + 1}: @schema takes a mapping such as {{enum: [a, b]}}")
            annotation.update(found)
        elif not text.startswith(GENERATED):
            words.append(text.lstrip("#").strip())
    return " ".join(word for word in words if word), annotation
