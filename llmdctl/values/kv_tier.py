"""How large a tier of the KV cache can be on an accelerator's nodes, and how much of it the scheduler may reckon with.

The facet of the tier says which share of a node model servers may take; the chart multiplies what is worked out here by
the accelerators of a pod, tells the engine, and adds it to the pod's memory request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.errors import Problem
from llmdctl.memory import ModelFacts, cache_bytes, kv_bytes_per_token
from llmdctl.model.document import json_path
from llmdctl.model.recipe import Recipe, RoleSpec, locate
from llmdctl.values.sizing import GIB, host_memory_bytes

DISK_SLACK: Final = 1.1
"""Of a tier on disk: charts/modelserver limits the volume to a tenth more, for files written before others go."""

_SERVER: Final = ("modelserver",)
_DEFAULTS: Final = ("modelserver", "roleDefaults")
_TIERS: Final = ("scheduler", "prefixCache", "tiers")
_UNITS: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12} | {
    f"{letter}i": 2 ** (10 * power) for power, letter in enumerate("KMGT", start=1)
}


def cpu_bytes_per_accelerator(*, node_bytes: int, accelerators: int, share: float, reserved_bytes: int) -> int:
    """floor to GiB of node x share / accelerators - reserved, both for each accelerator; at least 0.

    `share` leaves the rest of the node to the page cache, through which weights are read, and to other pods;
    `reserved_bytes` is what the pod asks for beside the tier, divided by its accelerators.
    """
    return max(0, int(node_bytes * share / accelerators - reserved_bytes) // GIB * GIB)


def disk_bytes_per_accelerator(*, node_bytes: int, accelerators: int, share: float, reserved_bytes: int) -> int:
    """floor to GiB of (node x share / accelerators - reserved) / 1.1; at least 0.

    `reserved_bytes` is the cache of the weights, divided by the pod's accelerators.
    """
    return max(0, int((node_bytes * share / accelerators - reserved_bytes) / DISK_SLACK) // GIB * GIB)


def bytes_per_token(model: ModelFacts, *, tensor: int) -> int:
    """Bytes of one token over all accelerators of a replica: its share on one x tensor, as vLLM counts a tier's blocks
    (`page_size_bytes x world_size`, vllm/v1/kv_offload/cpu/spec.py of vLLM 0.23)."""
    return kv_bytes_per_token(model, tensor=tensor) * tensor


def computed_tier(recipe: Recipe) -> dict[str, Any]:
    """Sizes of the recipe's tier as a fragment of the umbrella's values; empty without a tier, or where the user has
    stated them."""
    facts = recipe.facts["kv_tier"]
    sizes: dict[str, int] = {}
    for of, share in (("cpu", facts.get("memory_share")), ("disk", facts.get("disk_share"))):
        roles = _users(recipe, of)
        if share and roles and not _stated(recipe, of):
            size = _size(recipe, of, float(share), roles)
            if size:
                sizes[f"{of}BytesPerAccelerator"] = size
    fragment: dict[str, Any] = {}
    if _counts_blocks(recipe):
        sizes["bytesPerToken"] = _token_bytes(recipe, _users(recipe, "cpu"))
    if sizes:
        fragment["modelserver"] = {"roleDefaults": {"kvTier": sizes}}
        memory = _node(recipe, "memory")
        if memory and "cpuBytesPerAccelerator" in sizes:
            fragment["modelserver"]["sizing"] = {"nodeMemoryBytes": memory}
    index = _index(recipe, sizes)
    if index:
        fragment["scheduler"] = {"prefixCache": index}
    return fragment


def tier_problems(recipe: Recipe) -> Iterator[Problem]:
    """A tier that needs a size which nobody can work out: the node is unknown, or has no room left."""
    facts = recipe.facts["kv_tier"]
    for of, share, resource in (
        ("cpu", facts.get("memory_share"), "memory"),
        ("disk", facts.get("disk_share"), "ephemeral-storage"),
    ):
        roles = _users(recipe, of)
        if not share or not roles or _stated(recipe, of) or _size(recipe, of, float(share), roles):
            continue
        path = (*_DEFAULTS, "kvTier", f"{of}BytesPerAccelerator")
        known = _node(recipe, resource)
        what = "leaves no room for the tier" if known else "is not known"
        file, line = locate(recipe.layers, path)
        yield Problem(
            file=file,
            line=line,
            path=json_path(path),
            message=f"the {resource} of a node with {recipe.facets['accelerator']} {what}.",
            remedy="Set this key to the bytes for each accelerator, or choose another --kv-tier.",
        )


def _size(recipe: Recipe, of: str, share: float, roles: tuple[RoleSpec, ...]) -> int:
    """Bytes for each accelerator, so that the neediest role still fits; 0 where it cannot be said."""
    accelerators = int(recipe.facts["accelerator"].get("count_per_node") or 0)
    node = _node(recipe, "memory" if of == "cpu" else "ephemeral-storage")
    if not accelerators or not node:
        return 0
    if of == "disk":
        weights = recipe.facts["model"].get("download_bytes") or recipe.facts["model"].get("weight_bytes") or 0
        reserved = max(cache_bytes(int(weights)) // role.accelerators_per_pod for role in roles)
        return disk_bytes_per_accelerator(
            node_bytes=node, accelerators=accelerators, share=share, reserved_bytes=reserved
        )
    reserved = max(_pod_memory(recipe, role) // role.accelerators_per_pod for role in roles)
    return cpu_bytes_per_accelerator(node_bytes=node, accelerators=accelerators, share=share, reserved_bytes=reserved)


def _pod_memory(recipe: Recipe, role: RoleSpec) -> int:
    """What the pod asks for beside the tier: as stated for the role or for all, else as it would be computed."""
    for place in ((*_SERVER, "roles", role.name), _DEFAULTS):
        stated = _bytes(_at(recipe.values, (*place, "resources", "requests", "memory")))
        if stated:
            return stated
    return host_memory_bytes(role.accelerators_per_pod)


def _index(recipe: Recipe, sizes: Mapping[str, int]) -> dict[str, Any]:
    """What the scheduler turns into blocks of its index: bytes of a token and, for each tier that the values name
    without a size, those of the smallest pod that has one.
    """
    roles = _users(recipe, "cpu")
    tiers = _at(recipe.values, _TIERS)
    token = _token_bytes(recipe, roles)
    if not token or not isinstance(tiers, Mapping):
        return {}
    pod = min(_tier_bytes(recipe, role, sizes) for role in roles)
    named = {
        name: {"bytes": pod}
        for name, tier in tiers.items()
        # A capacity that somebody states for main memory is compared with these bytes by the chart.
        if isinstance(tier, Mapping)
        and not tier.get("bytes")
        and (name == "cpu" or not tier.get("lruCapacityPerServer"))
    }
    return {"kvBytesPerToken": token, "tiers": named} if pod and named else {}


def _tier_bytes(recipe: Recipe, role: RoleSpec, sizes: Mapping[str, int]) -> int:
    """Bytes of one pod's tier in main memory, as the chart works them out."""
    pod = _kv_tier(recipe, role.name, "cpuBytes")
    if pod:
        return int(pod)
    each = _kv_tier(recipe, role.name, "cpuBytesPerAccelerator") or sizes.get("cpuBytesPerAccelerator", 0)
    return int(each) * role.accelerators_per_pod


def _token_bytes(recipe: Recipe, roles: tuple[RoleSpec, ...]) -> int:
    model = recipe.facts["model"]
    if not model.get("config") or not roles:
        return 0
    return max(bytes_per_token(ModelFacts.from_facts(model), tensor=role.tensor) for role in roles)


def _users(recipe: Recipe, of: str) -> tuple[RoleSpec, ...]:
    """Roles whose engine is told a size of main memory or disk: a setting counts where its connector is."""
    found = []
    for role in recipe.roles:
        if role.name == "encode":  # it has no KV cache, and the chart leaves it out too
            continue
        settings = _merged(recipe, role.name, "kvTier", "settings")
        connectors = _merged(recipe, role.name, "kvConnectors")
        if any(
            setting["of"] == of and connectors.get(setting.get("connector"), not setting.get("connector"))
            for setting in settings.values()
        ):
            found.append(role)
    return tuple(found)


def _counts_blocks(recipe: Recipe) -> bool:
    settings = (
        setting
        for role in recipe.roles
        for setting in _merged(recipe, role.name, "kvTier", "settings").values()
        if setting.get("unitBlocks")
    )
    return any(settings) and not _at(recipe.values, (*_DEFAULTS, "kvTier", "bytesPerToken"))


def _stated(recipe: Recipe, of: str) -> bool:
    """Whether the size is in the values already, for all roles or for one."""
    return any(
        _kv_tier(recipe, role.name, key) for role in recipe.roles for key in (f"{of}Bytes", f"{of}BytesPerAccelerator")
    )


def _kv_tier(recipe: Recipe, role: str, key: str) -> Any:  # noqa: ANN401  any JSON value
    own = _at(recipe.values, (*_SERVER, "roles", role, "kvTier", key))
    return _at(recipe.values, (*_DEFAULTS, "kvTier", key)) if own is None else own


def _merged(recipe: Recipe, role: str, *keys: str) -> dict[str, Any]:
    """A map of the defaults with the role's over it, without null entries."""
    shared, own = _at(recipe.values, (*_DEFAULTS, *keys)), _at(recipe.values, (*_SERVER, "roles", role, *keys))
    both = {**(shared or {}), **(own or {})}
    return {name: value for name, value in both.items() if value is not None}


def _node(recipe: Recipe, resource: str) -> int:
    """Allocatable bytes of the accelerator's usual node; 0 = not known."""
    return _bytes((recipe.node.get("allocatable") or {}).get(resource))


def _bytes(quantity: Any) -> int:  # noqa: ANN401  any JSON value
    """A quantity of Kubernetes (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/) in
    bytes; 0 for what is none."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([kMGT]?|[KMGT]i)", str(quantity or ""))
    return int(float(found[1]) * _UNITS[found[2]]) if found else 0


def _at(values: Mapping[str, Any], path: tuple[str, ...]) -> Any:  # noqa: ANN401  any JSON value
    found: Any = values
    for step in path:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found
