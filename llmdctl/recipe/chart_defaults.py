"""The charts' own values, as the lowest layer of an explanation."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from llmdctl import assets
from llmdctl.errors import RecipeError
from llmdctl.model.document import Mark
from llmdctl.model.recipe import Layer
from llmdctl.recipe.reader import read

SUBCHARTS: Final = ("gateway", "scheduler", "modelserver", "kvstore", "autoscaling", "monitoring")
"""The charts whose values lie under their own name in the umbrella's."""


@lru_cache(maxsize=1)
def chart_layers() -> tuple[Layer, ...]:
    """The subcharts' values.yaml, each under its name, then the umbrella's, which overrides them."""
    layers = []
    for chart in (*SUBCHARTS, "llmd"):
        file = assets.charts() / chart / "values.yaml"
        if not file.is_file():
            continue
        shown = str(file.relative_to(assets.root()))
        try:
            document = read(file, shown_as=shown)
        except RecipeError:  # Helm will say so; an explanation does without
            continue
        nested = chart != "llmd"
        values = {chart: dict(document.value)} if nested else document.value
        mark = Mark(1, 1, {chart: document.mark}) if nested else document.mark
        layers.append(Layer(name="chart", source=shown, values=values, mark=mark))
    return tuple(layers)
