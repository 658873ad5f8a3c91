"""How long a request may wait: long enough for the replica that it made necessary."""

from __future__ import annotations

import pytest

from llmdctl import assets
from llmdctl.errors import RecipeError
from llmdctl.helm import open_renderer
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import Catalog, compose
from llmdctl.values import build
from llmdctl.values.waiting import computed_wait

FOLLOWS_LOAD = {"flow_control": "priorities", "autoscaler": "keda-saturation", "metrics": "prometheus-operator"}


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    return Catalog.load([assets.paths()])


def composed(catalog: Catalog, *sets: str, **facets: str):
    return compose(catalog, Selection(path="optimized-baseline", **facets), Overrides(sets=sets))


def test_where_replicas_follow_the_load_a_request_waits_for_the_next_one(shipped) -> None:
    recipe = composed(shipped, model="llama-3.1-8b", **FOLLOWS_LOAD)
    # 16,060,522,496 bytes of weights: 16.1e9 / 25e6 + 600 s, in steps of five minutes.
    assert computed_wait(recipe) == {
        "scheduler": {"flowControl": {"modelLoadSeconds": 1500, "requestTtlSeconds": 1500}}
    }


def test_no_limit_is_made_up_where_the_recipe_sets_none(shipped) -> None:
    recipe = composed(
        shipped, model="llama-3.1-8b", autoscaler="keda-saturation", metrics="prometheus-operator", flow_control="none"
    )
    assert computed_wait(recipe) == {"scheduler": {"flowControl": {"modelLoadSeconds": 1500}}}


@pytest.mark.parametrize("facets", [{}, {"flow_control": "priorities"}], ids=["no flow control", "fixed replicas"])
def test_nothing_is_computed_where_no_replica_comes(shipped, facets) -> None:
    assert computed_wait(composed(shipped, **facets)) == {}


def test_what_the_user_states_stays(shipped) -> None:
    recipe = composed(shipped, "scheduler.flowControl.requestTtlSeconds=7200", **FOLLOWS_LOAD)
    assert "requestTtlSeconds" not in computed_wait(recipe)["scheduler"]["flowControl"]


def test_the_facts_of_another_model_are_not_used(shipped) -> None:
    assert computed_wait(composed(shipped, "global.llmd.model.id=mine/other", **FOLLOWS_LOAD)) == {}


def test_the_chart_refuses_a_wait_that_is_too_short(shipped) -> None:
    recipe = composed(shipped, "scheduler.flowControl.requestTtlSeconds=30", model="llama-3.1-8b", **FOLLOWS_LOAD)
    with pytest.raises(RecipeError) as refused:
        open_renderer().render(build(recipe, name="pd", namespace="models"))
    assert "scheduler.flowControl.requestTtlSeconds" in str(refused.value)


def test_it_renders_with_what_is_computed(shipped) -> None:
    recipe = composed(shipped, **FOLLOWS_LOAD)
    objects = open_renderer().render(build(recipe, name="pd", namespace="models")).objects
    (text,) = (found["data"]["epp-config.yaml"] for found in objects if "epp-config.yaml" in found.get("data", {}))
    assert "defaultRequestTTL: 3300s" in text
