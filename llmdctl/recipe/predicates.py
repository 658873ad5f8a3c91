"""Which combinations are refused, and why: one pure function a reason, each judging a cell by its facts alone.

What the files themselves refuse (`offers`, `excludes`, `needs`) is read from them; the rest follows from facts, so that
a new accelerator, model or engine needs no list of what it does not go with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from llmdctl.model.recipe import Evidence
from llmdctl.recipe.layering import applicable
from llmdctl.recipe.names import nearest
from llmdctl.recipe.selecting import Cell
from llmdctl.recipe.versions import Versions

POOL_API: Final = "inference.networking.k8s.io/v1"
"""API of the InferencePool that charts/scheduler renders (a test compares the two)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Why a combination is left out."""

    kind: str  # one of KINDS
    reason: str  # a sentence that is the same for all combinations it refuses: what is counted
    detail: str = ""  # a sentence about this one

    @property
    def sentence(self) -> str:
        """The detail where there is one."""
        return self.detail or self.reason


KINDS: Final = {
    "not-offered": "the path does not offer a facet",
    "excluded": "a file says that it cannot work",
    "known-bad": "a file says that it is known to be bad",
    "needs": "the path is for another kind of model",
    "no-image": "there is no engine image for the accelerator",
    "no-command": "the engine is a command that only its owner knows",
    "no-transfer": "the engine cannot hand a KV cache over",
    "fabric": "the fabric does not exist there",
    "pool-api": "the gateway does not take the InferencePool",
    "weights": "the weights are larger than a node's accelerators",
    "context": "no room for one sequence of the longest context",
    "parallelism": "the parallelism of the path does not divide the model or the node",
    "sizes": "memory or disk of the node does not hold what the cell asks for",
    "composition": "the values do not fit together",
}
"""Every kind of refusal, in words."""

Predicate = Callable[[Cell, Versions], Refusal | None]


def excluded(cell: Cell, _: Versions) -> Refusal | None:
    """What an `excludes` of the path or of a facet refuses; impossible before known-bad."""
    found = sorted(cell.exclusions(), key=lambda one: one.evidence != "impossible")
    if not found:
        return None
    return Refusal(kind="excluded" if found[0].evidence == "impossible" else "known-bad", reason=found[0].reason)


def other_kind_of_model(cell: Cell, _: Versions) -> Refusal | None:
    """`needs.model` of the path: `moe` is more than one expert, `media` an image or video that the model reads."""
    kind = cell.path.needs.get("model")
    facts = cell.facets["model"].facts
    if kind == "moe" and int((facts.get("config") or {}).get("num_experts") or 0) <= 1:
        reason = "The path spreads experts over nodes, so it needs a mixture-of-experts model."
    elif kind == "media" and not facts.get("media"):
        reason = "The path encodes images or videos, so it needs a model that reads them."
    else:
        return None
    return Refusal(kind="needs", reason=reason)


def no_image(cell: Cell, versions: Versions) -> Refusal | None:
    """The set of versions lists images of this engine, and none for the accelerator's vendor."""
    images = (versions.chosen.get("images") or {}).get(cell.names["engine"])
    vendor = cell.facets["accelerator"].facts.get("vendor")
    if not images or vendor in images or "default" in images:
        return None
    titles = cell.facets["engine"].title, cell.facets["accelerator"].title
    return Refusal(
        kind="no-image",
        reason=f"There is no image of {titles[0]} for accelerators of the vendor '{vendor}' in versions.yaml.",
        detail=f"There is no image of {titles[0]} for {titles[1]}: versions.yaml has {', '.join(sorted(images))}.",
    )


def no_command(cell: Cell, _: Versions) -> Refusal | None:
    """An engine of the user's own starts with a command that no cell can guess."""
    if cell.facets["engine"].facts.get("dialect") != "custom":
        return None
    return Refusal(kind="no-command", reason="The engine is a command of your own: give it with --file, then compose.")


def no_transfer(cell: Cell, _: Versions) -> Refusal | None:
    """Prefill hands its KV cache to decode; an engine without a connector cannot."""
    engine = cell.facets["engine"]
    if "prefill" not in cell.path.roles or engine.facts.get("connector"):
        return None
    return Refusal(kind="no-transfer", reason=f"{engine.title} has no KV connector that the routing sidecar knows.")


def elsewhere(cell: Cell, _: Versions) -> Refusal | None:
    """The fabric says for which vendors, accelerators and platforms it exists, and the cell has none of them."""
    fabric = cell.facets["fabric"]
    for key, found in (
        ("vendors", cell.facets["accelerator"].facts.get("vendor")),
        ("accelerators", cell.names["accelerator"]),
        ("platforms", cell.names["platform"]),
    ):
        allowed = fabric.facts.get(key)
        if allowed and found not in allowed:
            reason = f"{fabric.title}: it exists for the {key} {', '.join(allowed)} only."
            return Refusal(kind="fabric", reason=reason, detail=f"{reason[:-1]}, not for {found}.")
    return None


def pool_api(cell: Cell, versions: Versions) -> Refusal | None:
    """The gateway watches no InferencePool of the API that the scheduler's chart writes."""
    listed: Mapping[str, Any] = versions.chosen.get("inference_pool_apis") or {}
    gateway = cell.names["gateway"]
    if not listed or POOL_API in listed.get(_entry(gateway, listed), ()):
        return None
    fitting = [name for name, apis in listed.items() if POOL_API in apis]
    close = nearest(gateway, fitting) or next(iter(sorted(fitting)), "none")
    listing = f"with the InferencePool {POOL_API} is not in versions.yaml"
    return Refusal(kind="pool-api", reason=f"The gateway {gateway} {listing}; the nearest is {close}.")


def _entry(name: str, listed: Iterable[str]) -> str:
    """The entry for a gateway: its own, else the longest that it extends (`gke` for `gke-regional`)."""
    prefixes = [entry for entry in listed if name == entry or name.startswith(f"{entry}-")]
    return max(prefixes, key=len, default="")


def weights(cell: Cell, _: Versions) -> Refusal | None:
    """loaded weights > share of the engine x usable memory x accelerators of a node.

    Paths that spread a replica over nodes are left to composition.
    """
    from llmdctl.memory import ModelFacts, loaded_weight_bytes, usable_bytes
    from llmdctl.memory.fit import DEFAULT_UTILISATION

    model, accelerator = cell.facets["model"], cell.facets["accelerator"]
    memory_mib, count = accelerator.facts.get("memory_mib") or 0, accelerator.facts.get("count_per_node") or 0
    if not memory_mib or not count or not model.facts.get("weight_bytes"):
        return None
    share = cell.facets["engine"].facts.get("memory_utilization") or DEFAULT_UTILISATION
    room = int(share * usable_bytes(memory_mib) * count)
    needed = loaded_weight_bytes(ModelFacts.from_facts(model.facts))
    if needed <= room or _spans_nodes(cell):
        return None
    return Refusal(
        kind="weights",
        reason="The weights are larger than the accelerator memory of one node.",
        detail=f"{model.title} weighs {needed / 2**30:.0f} GiB; {count} x {accelerator.title} hold {room / 2**30:.0f}.",
    )


_NODES: Final = ("modelserver", "roles")


def _spans_nodes(cell: Cell) -> bool:
    """Whether a layer says how many pods one replica has."""
    return any(
        path[-1] == "nodes" and (path[:2] == _NODES or path[:2] == ("modelserver", "roleDefaults"))
        for block in applicable(cell.blocks(), cell.names, cell.path.roles)
        for path, _ in block.leaves
    )


PREDICATES: Final[tuple[Predicate, ...]] = (
    excluded,
    other_kind_of_model,
    no_command,
    no_image,
    no_transfer,
    elsewhere,
    pool_api,
    weights,
)
"""In the order in which they are asked; the first that refuses counts."""

ALWAYS: Final[tuple[Predicate, ...]] = (other_kind_of_model, elsewhere, pool_api)
"""Those that no setting of a user can repair; the others are defaults that a user may replace."""


def refusal(cell: Cell, versions: Versions) -> Refusal | None:
    """The first reason against a cell; None when all predicates let it pass."""
    return next((found for predicate in PREDICATES if (found := predicate(cell, versions))), None)


def known_bad(evidence: Evidence) -> Refusal | None:
    """What evidence.yaml says against a cell."""
    return Refusal(kind="known-bad", reason=evidence.reason) if evidence.level == "known-bad" else None
