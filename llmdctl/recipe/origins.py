"""Where a value of a composed recipe comes from, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmdctl.merge import leaves
from llmdctl.model.document import json_path
from llmdctl.model.recipe import Origin, Recipe, Statement
from llmdctl.recipe.chart_defaults import chart_layers


def explain(recipe: Recipe) -> tuple[Origin, ...]:
    """Every key of the composed values with all that was said about it, sorted by key.

    The first statement is the chart's own default where it has one; of an expression the statement shows the text, and
    `value` the result.
    """
    layers = (*chart_layers(), *recipe.layers)
    origins = []
    for path, value in leaves(recipe.values):
        said = [
            Statement(layer=layer.label, place=layer.place(path), value=_at(layer.values, path))
            for layer in layers
            if layer.states(path)
        ]
        origins.append(Origin(key=json_path(path), value=value, layers=tuple(said)))
    return tuple(sorted(origins, key=lambda origin: origin.key))


def _at(values: Any, path: Sequence[str]) -> Any:  # noqa: ANN401  any JSON value
    for step in path:
        values = values[step]
    return values
