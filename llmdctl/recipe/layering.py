"""Lays the blocks of a path and its facets over each other.

The rule: a file's base values have specificity 0 and a `when:` block as many as its condition has axes; the higher one
wins, whatever its layer. One leaf key stated twice at one specificity is a mistake, even with equal values, because
the next change would be made in one of the two places only. `{}` states nothing that could collide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from llmdctl.errors import Problem
from llmdctl.model.document import json_path
from llmdctl.recipe.facet import Block


def applicable(blocks: Iterable[Block], chosen: Mapping[str, str], roles: Sequence[str]) -> list[Block]:
    """The blocks whose condition holds; `role=decode` holds when the recipe has that role."""
    return [block for block in blocks if holds(block.match, chosen, roles)]


def holds(match: Mapping[str, tuple[str, ...]], chosen: Mapping[str, str], roles: Sequence[str]) -> bool:
    """Whether a combination (`path` and each axis -> name) with these roles is covered by `match`."""
    return all(
        not set(names).isdisjoint(roles) if axis == "role" else chosen.get(axis) in names
        for axis, names in match.items()
    )


def ordered(blocks: Iterable[Block]) -> list[Block]:
    """By specificity; within one, as given (path first, then the axes in layer order)."""
    return sorted(blocks, key=lambda block: len(block.match))


def lay(blocks: Sequence[Block], problems: list[Problem]) -> dict[str, Any]:
    """The values of all `ordered` blocks together; keys that two layers own go to `problems`."""
    values: dict[str, Any] = {}
    for _, level in groupby(blocks, key=lambda block: len(block.match)):
        same = list(level)
        problems += _collisions(same)
        for block in same:
            for path, leaf in block.leaves:
                _put(values, path, leaf)
    return values


def _put(values: dict[str, Any], path: tuple[str, ...], leaf: Any) -> None:  # noqa: ANN401  any JSON value
    for step in path[:-1]:
        below = values.get(step)
        if not isinstance(below, dict):
            below = values[step] = {}
        values = below
    last = path[-1]
    if isinstance(leaf, dict):  # `{}`: keep what is there
        if not isinstance(values.get(last), dict):
            values[last] = {}
    else:
        values[last] = leaf


def _collisions(blocks: Sequence[Block]) -> list[Problem]:
    owners: dict[tuple[str, ...], Block] = {}
    found: list[Problem] = []
    for block in blocks:
        for path, leaf in block.leaves:
            if isinstance(leaf, dict):
                continue
            first = owners.setdefault(path, block)
            if first is not block:
                found.append(_collision(path, block, first, path))
    for block in blocks:  # a leaf of one block that is a mapping in another
        found += [
            _collision(path, block, owners[path], path)
            for path in sorted(block.inner & owners.keys())
            if owners[path] is not block
        ]
    return found


def _collision(path: tuple[str, ...], block: Block, first: Block, at: tuple[str, ...]) -> Problem:
    other = f"{first.file}:{first.line(at)}"
    if block.match:
        message = f"this key is also set in {other}, under a condition of the same weight ({first.condition})."
        remedy = "Name one more axis in the `match` of the block that shall win."
    else:
        message = f"this key is also set in {other}: two layers own it."
        remedy = "Leave it to one of them, or move it into a `when:` block."
    return Problem(file=block.file, line=block.line(at), path=json_path(path), message=message, remedy=remedy)
