"""Lint finds nothing in what our own recipes render: each path by default, and two paths with one axis changed."""

from __future__ import annotations

from functools import cache

import pytest

from llmdctl import assets, helm
from llmdctl.errors import HelmError, RecipeError
from llmdctl.lint import lint_objects
from llmdctl.model.finding import Severity
from llmdctl.model.recipe import Recipe
from llmdctl.model.selection import Selection
from llmdctl.recipe import Catalog, compose
from llmdctl.values import build


@cache
def catalog() -> Catalog:
    return Catalog.load([assets.paths()])


@cache
def renderer() -> helm.Renderer:
    return helm.open_renderer()


def found(recipe: Recipe) -> list[str]:
    rendered = renderer().render(build(recipe, name="demo", namespace="llm"))
    findings = lint_objects(rendered.objects).findings
    return [
        f"{item.code} {item.object} {item.path}: {item.message}"
        for item in findings
        if item.severity is not Severity.UNKNOWN
    ]


@pytest.mark.parametrize("path", [path.name for path in catalog().paths])
def test_nothing_is_found_in_the_default_of_a_path(path: str) -> None:
    assert found(compose(catalog(), Selection(path=path))) == []


AXES = ("engine", "gateway", "prefix_index", "flow_control", "kv_tier", "fabric", "metrics")
CHANGES = [(axis, name) for axis in AXES for name in sorted(catalog().names(axis))]


@pytest.mark.parametrize(("axis", "name"), CHANGES, ids=str)
@pytest.mark.parametrize("path", ["optimized-baseline", "pd-disaggregation"])
def test_nothing_is_found_when_one_axis_changes(path: str, axis: str, name: str) -> None:
    try:
        findings = found(compose(catalog(), Selection(path=path, **{axis: name})))
    except (RecipeError, HelmError):
        pytest.skip("a combination that is refused, or that wants more from the user")
    assert findings == []
