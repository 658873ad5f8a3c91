"""Renders the charts of this checkout as a person gets them: no `helm dependency update` before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from llmdctl.helm import Renderer, open_renderer
from llmdctl.model.release import ReleaseSpec
from tests.unit.charts.cases import UMBRELLA, Manifest

Render = Callable[..., tuple[Manifest, ...]]


def specification(values: Mapping[str, Any], *, name: str, namespace: str, chart: Path) -> ReleaseSpec:
    return ReleaseSpec(
        name=name, namespace=namespace, chart=chart, values=values, recipe="", facets={}, evidence="derived"
    )


@pytest.fixture(scope="session")
def render() -> Render:
    """`render(values, name=…, namespace=…, chart=…, engine=…)`: the objects in the order of installation."""

    def objects(
        values: Mapping[str, Any],
        *,
        name: str = "pd",
        namespace: str = "models",
        chart: Path = UMBRELLA,
        engine: Renderer | None = None,
        **options: Any,
    ) -> tuple[Manifest, ...]:
        spec = specification(values, name=name, namespace=namespace, chart=chart)
        return tuple((engine or open_renderer()).render(spec, **options).objects)

    return objects
