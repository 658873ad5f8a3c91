"""helm 3, helm 4 and the embedded engine give equal objects in equal order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from llmdctl import assets, programs
from llmdctl.helm import Rendered, Renderer, open_renderer
from llmdctl.helm.embedded import EmbeddedHelm, importable
from llmdctl.model.release import ReleaseSpec
from tests import documents

pytestmark = pytest.mark.programs

CHART = Path(__file__).parents[2] / "e2e" / "release" / "chart"
SMALL = ReleaseSpec(
    name="a",
    namespace="ns",
    chart=CHART,
    values={
        "clusterRole": True,
        "widget": "test.llmdctl.dev",
        "contextTokens": 1048576,
        "message": "\u2028\x7f é 😀 [/x] {{ no }}",
    },
    recipe="r",
    facets={},
    evidence="derived",
)


@pytest.fixture(scope="module")
def engines() -> dict[str, Renderer]:
    found: dict[str, Renderer] = {name: open_renderer(path=programs.find(name).path) for name in ("helm3", "helm4")}
    if importable():
        found["embedded"] = EmbeddedHelm()
    return found


def same(engines: dict[str, Renderer], spec: ReleaseSpec) -> Rendered:
    rendered = {name: engine.render(spec) for name, engine in engines.items()}
    first = rendered["helm4"]
    for name, other in rendered.items():
        assert list(other.objects) == list(first.objects), f"{name} differs from helm4"
    return first


def test_the_small_chart(engines: dict[str, Renderer]):
    assert len(same(engines, SMALL).objects) == 6


def test_null_and_missing_values(engines: dict[str, Renderer]):
    same(engines, replace(SMALL, values={"message": None}))


@pytest.mark.parametrize("file", sorted(assets.paths().glob("*/values.yaml")), ids=lambda path: path.parent.name)
def test_every_recipe(engines: dict[str, Renderer], file: Path):
    """As it comes; every other cell, by both programs and the embedded engine, is in tests/parity."""
    values = documents.load(file.read_text(encoding="utf-8"))
    spec = replace(SMALL, name="pd", chart=assets.charts() / "llmd", values=values)
    assert same(engines, spec).objects
