"""Values that only facts of the model and the hardware give; a user's own setting always wins over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmdctl.errors import Problem
from llmdctl.memory import cache_bytes, serves_the_facet
from llmdctl.merge import merge
from llmdctl.model.document import json_path
from llmdctl.model.recipe import Layer, Recipe, locate
from llmdctl.values.kv_tier import computed_tier, tier_problems
from llmdctl.values.sizing import GIB, host_memory_bytes, startup_s
from llmdctl.values.waiting import computed_wait

_SIZING = ("modelserver", "sizing")


def computed(recipe: Recipe) -> dict[str, Any]:
    """Everything that is computed, as a fragment of the umbrella's values, without what `recipe.values` sets itself."""
    fragment: dict[str, Any] = {"modelserver": {"sizing": _sizing(recipe)}}
    memory = _memory(recipe)
    if memory:
        fragment["modelserver"]["roleDefaults"] = {"resources": {"requests": {"memory": memory}}}
    return merge(merge(fragment, computed_tier(recipe)), computed_wait(recipe))


def computed_layer(recipe: Recipe) -> Layer:
    """What is computed, as a layer below the others, for `recipe.explain`."""
    names = recipe.facets
    source = f"facts of model {names['model']} and accelerator {names['accelerator']}"
    return Layer(name="computed", source=source, values=computed(recipe))


def contradictions(recipe: Recipe) -> Iterator[Problem]:
    """Sizes that the user has set and that cannot be those of the chosen model and accelerator."""
    expected = _identity(recipe)
    for key, fact in expected.items():
        path = (*_SIZING, key)
        stated = value_at(recipe.values, path)
        if stated in (None, "", 0) or stated == fact:
            continue
        file, line = locate(recipe.layers, path)
        shown = f"'{stated}'" if isinstance(stated, str) else stated
        message = f"{shown} contradicts the chosen {_SUBJECT[key]}, for which it is {fact}."
        remedy = "Leave the key out, or choose the facet that it belongs to."
        yield Problem(file=file, line=line, path=json_path(path), message=message, remedy=remedy)
    yield from tier_problems(recipe)


_SUBJECT = {"model": "model", "attentionHeads": "model", "acceleratorsPerNode": "accelerator"}


def value_at(values: Mapping[str, Any], path: tuple[str, ...]) -> Any:  # noqa: ANN401  any JSON value
    """The value at `path`, or None where it or anything above it is absent."""
    found: Any = values
    for step in path:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _identity(recipe: Recipe) -> dict[str, Any]:
    """What says which model and which node the sizes belong to; empty for what the user has replaced."""
    model, accelerator = recipe.facts["model"], recipe.facts["accelerator"]
    facts: dict[str, Any] = {}
    if serves_the_facet(recipe.facts, recipe.values):
        facts["model"] = model["id"]
        facts["attentionHeads"] = int((model.get("config") or {}).get("num_attention_heads") or 0)
    resource = value_at(recipe.values, ("modelserver", "roleDefaults", "accelerator", "resource"))
    if resource is None or resource == accelerator.get("resource"):
        facts["acceleratorsPerNode"] = int(accelerator.get("count_per_node") or 0)
    return facts


def _sizing(recipe: Recipe) -> dict[str, Any]:
    sizes = _identity(recipe)
    model = recipe.facts["model"]
    weights = int(model.get("weight_bytes") or 0)
    if serves_the_facet(recipe.facts, recipe.values) and weights:
        download = max(weights, int(model.get("download_bytes") or 0))
        sizes["weightBytes"] = weights
        sizes["startupSeconds"] = startup_s(download)
        sizes["cacheBytes"] = cache_bytes(download)
    return sizes


def _memory(recipe: Recipe) -> str | None:
    """The request of the largest role, as a quantity; None where every role has one of its own."""
    shared = value_at(recipe.values, ("modelserver", "roleDefaults", "resources", "requests", "memory"))
    open_roles = [
        role
        for role in recipe.roles
        if value_at(recipe.values, ("modelserver", "roles", role.name, "resources", "requests", "memory")) is None
    ]
    if shared is not None or not open_roles:
        return None
    on_host = not recipe.facts["accelerator"].get("resource")
    weights = int(recipe.facts["model"].get("weight_bytes") or 0)
    shm = int(value_at(recipe.values, ("modelserver", "roleDefaults", "shmBytes")) or 0)
    most = max(0 if on_host else role.accelerators_per_pod for role in open_roles)
    return f"{host_memory_bytes(most, shm_bytes=shm, weight_bytes=weights) // GIB}Gi"
