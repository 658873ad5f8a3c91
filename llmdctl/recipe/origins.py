"""Where a value of a composed recipe comes from, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmdctl.merge import leaves
from llmdctl.model.document import json_path
from llmdctl.model.recipe import Layer, Origin, Recipe, Statement
from llmdctl.recipe.chart_defaults import chart_layers

_ABSENT = object()


def locate(layers: Sequence[Layer], path: Sequence[str | int]) -> tuple[str | None, int | None]:
    """The file and line (or argument and None) of the last layer that says something about `path` or above it."""
    keys = tuple(step for step in path if isinstance(step, str))
    for length in range(len(keys), 0, -1):
        for layer in reversed(layers):
            if _at(layer.values, keys[:length]) is not _ABSENT:
                return layer.source, layer.mark.at(path).line if layer.mark else None
    return None, None


def explain(recipe: Recipe) -> tuple[Origin, ...]:
    """Every key of the composed values with all that was said about it, sorted by key.

    The first statement is the chart's own default where it has one; of an expression the statement shows the text, and
    `value` the result.
    """
    layers = (*chart_layers(), *recipe.layers)
    origins = []
    for path, value in leaves(recipe.values):
        said = [
            Statement(layer=layer.label, place=layer.place(path), value=found)
            for layer in layers
            if (found := _at(layer.values, path)) is not _ABSENT
        ]
        origins.append(Origin(key=json_path(path), value=value, layers=tuple(said)))
    return tuple(sorted(origins, key=lambda origin: origin.key))


def _at(values: Any, path: Sequence[str]) -> Any:  # noqa: ANN401  any JSON value
    for step in path:
        if not isinstance(values, Mapping) or step not in values:
            return _ABSENT
        values = values[step]
    return values
