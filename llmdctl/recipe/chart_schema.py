"""Checks what a user has set against the charts' own schemas, so that a typo has its line before Helm is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmdctl import assets
from llmdctl.errors import Problem
from llmdctl.recipe.chart_defaults import SUBCHARTS
from llmdctl.recipe.schema import Locate, load, problems


def mistakes(values: Mapping[str, Any], keys: frozenset[tuple[str, ...]], locate: Locate) -> Iterator[Problem]:
    """What the charts' schemas refuse of composed `values`, as far as the user's `keys` are concerned.

    A key that is missing is no mistake here: the charts' defaults are not part of `values`.
    """
    seen: set[tuple[str | None, int | None, str | None]] = set()
    for prefix, part, schema in _parts(values):
        for path, problem in problems(part, schema, locate, prefix, partial=True):
            place = (problem.file, problem.line, problem.path)
            if _concerns(path, keys) and place not in seen:
                seen.add(place)
                yield problem


def _parts(values: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any, Mapping[str, Any]]]:
    for chart in (*SUBCHARTS, "llmd"):
        file = assets.charts() / chart / "values.schema.json"
        if not file.is_file():
            continue
        if chart == "llmd":
            yield (), values, load(file)
        elif chart in values:
            yield (chart,), values[chart], load(file)


def _concerns(path: tuple[str | int, ...], keys: frozenset[tuple[str, ...]]) -> bool:
    steps = tuple(step for step in path if isinstance(step, str))
    return any(key[: len(steps)] == steps or steps[: len(key)] == key for key in keys)
