"""How long a request may wait in the scheduler, where replicas follow the load."""

from __future__ import annotations

from typing import Any

from llmdctl.model.recipe import Recipe
from llmdctl.values.sizing import startup_s


def computed_wait(recipe: Recipe) -> dict[str, Any]:
    """`scheduler.flowControl` of a recipe with flow control and an autoscaled role; empty for others.

    A request that is given up before the replica that it made necessary has loaded its model makes the scheduler ask
    for replicas that then find nobody waiting. So the least wait is the budget for loading, `startup_s` of what is
    downloaded; the chart refuses a shorter one. Where the recipe limits the wait at all (any flow control but `none`),
    that is the limit. What the user states is left out.
    """
    facts = recipe.values.get("global", {}).get("llmd", {})
    model = recipe.facts["model"]
    weights = int(model.get("weight_bytes") or 0)
    replaced = (facts.get("model") or {}).get("id") not in (None, "", model.get("id"))
    autoscaled = any(role.autoscaled for role in recipe.roles)
    if replaced or not (weights and autoscaled and facts.get("flowControl")):
        return {}
    load_s = startup_s(max(weights, int(model.get("download_bytes") or 0)))
    computed = {"modelLoadSeconds": load_s}
    if recipe.facets["flow_control"] != "none":
        computed["requestTtlSeconds"] = load_s
    stated = (recipe.values.get("scheduler") or {}).get("flowControl") or {}
    return {"scheduler": {"flowControl": {key: value for key, value in computed.items() if stated.get(key) is None}}}
