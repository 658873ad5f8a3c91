"""Where a value of a composed recipe comes from, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmdctl.merge import leaves, merge
from llmdctl.model.document import json_path
from llmdctl.model.recipe import Layer, Origin, Recipe, Statement
from llmdctl.recipe.chart_defaults import chart_layers


def explain(recipe: Recipe, computed: Layer | None = None) -> tuple[Origin, ...]:
    """Every key of the composed values with all that was said about it, sorted by key.

    The first statement is the chart's own default where it has one, then that of `computed` (from
    `values.computed_layer`), over which every other layer wins. Of an expression the statement shows the text, and
    `value` the result.
    """
    below = [computed] if computed else []
    layers = (*chart_layers(), *below, *recipe.layers)
    values = merge(computed.values, recipe.values) if computed else recipe.values
    origins = []
    for path, value in leaves(values):
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
