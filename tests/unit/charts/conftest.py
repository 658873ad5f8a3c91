"""Renders the charts of this checkout as a person gets them: no `helm dependency update` before."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from llmdctl.helm import Renderer, open_renderer
from llmdctl.model.release import ReleaseSpec
from tests.unit.charts.cases import CHARTS, UMBRELLA, Manifest

Render = Callable[..., tuple[Manifest, ...]]


def specification(values: Mapping[str, Any], *, name: str, namespace: str, chart: Path) -> ReleaseSpec:
    return ReleaseSpec(
        name=name, namespace=namespace, chart=chart, values=values, recipe="", facets={}, evidence="derived"
    )


@pytest.fixture(scope="session")
def render() -> Render:
    """`render(values, name=…, namespace=…, chart=…, engine=…)`: the objects in the order of installation.

    What this checkout's charts render of the same values is rendered once: many tests look at it. Each gets objects of
    its own. What is rendered by an engine of the test's, or from another chart, is rendered each time.
    """
    known: dict[str, bytes] = {}

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
        if engine or not chart.is_relative_to(CHARTS):
            return tuple((engine or open_renderer()).render(spec, **options).objects)
        asked = json.dumps([str(chart), name, namespace, values, options], sort_keys=True)
        if asked not in known:
            known[asked] = pickle.dumps(tuple(open_renderer().render(spec, **options).objects))
        found: tuple[Manifest, ...] = pickle.loads(known[asked])
        return found

    return objects
