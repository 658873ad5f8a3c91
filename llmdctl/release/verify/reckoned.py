"""What was computed for the engines of a release: the ledger of one accelerator of each role.

From what was rendered (model, parallelism, the flags that size the cache) and the facts of the facets that the release
was made from, as `preflight` reckons before it is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmdctl import assets
from llmdctl.errors import RecipeError
from llmdctl.memory import RoleLedger, role_ledger
from llmdctl.model.recipe import RoleSpec
from llmdctl.recipe import Catalog
from llmdctl.release.verify.stack import Role, Stack

Ledger = RoleLedger | str
"""Or why nothing was computed."""

_SIZES: Final = ("--gpu-memory-utilization", "--mem-fraction-static", "--max-num-seqs", "--kv-cache-dtype")
_STATED: Final = ("--num-gpu-blocks-override", "--kv-cache-memory-bytes", "--max-total-tokens")
_LENGTHS: Final = ("--max-model-len", "--context-length")
_DATA: Final = ("--data-parallel-size", "-dp", "--dp-size")
_PIPELINE: Final = ("--pipeline-parallel-size", "-pp", "--pp-size")


def ledgers(stack: Stack) -> dict[str, Ledger]:
    """Role -> what one accelerator of it holds, as computed."""
    name = stack.facets.get("accelerator", "")
    try:
        catalog = Catalog.load([assets.paths()])
        memory_mib = int(catalog.facet("accelerator", name).facts.get("memory_mib") or 0)
    except RecipeError:
        reason = f"the accelerator {name or 'it was installed for'} is none of the catalogue's"
        return {role.name: reason for role in stack.roles}
    models = {str(facet.facts.get("id")): facet.facts for facet in catalog.facets("model")}
    engines = {facet.name: facet.facts for facet in catalog.facets("engine")}
    return {role.name: _ledger(role, models, engines, memory_mib) for role in stack.roles}


def _ledger(
    role: Role, models: Mapping[str, Mapping[str, Any]], engines: Mapping[str, Mapping[str, Any]], memory_mib: int
) -> Ledger:
    model = models.get(role.engine.model or "")
    if model is None or role.name == "encode":
        return (
            f"the sizes of {role.engine.model or 'its model'} are not known" if model is None else "it keeps no cache"
        )
    if not memory_mib:
        return "the memory of its accelerator is not known"
    line = role.engine.line
    stated = next((flag for flag in _STATED if line.find(flag)), None)
    if stated is not None:
        return f"{stated} states the size of its cache"
    tensor, data, pipeline = role.engine.tensor, role.engine.count(*_DATA), role.engine.count(*_PIPELINE)
    if tensor is None or data is None or pipeline is None:
        return "its parallelism is not known from its command line"
    spec = RoleSpec(
        name=role.name, workload="", autoscaled=False, replicas=0, tensor=tensor, pipeline=pipeline, data=data, nodes=1,
        max_model_len=line.integer(*_LENGTHS) or int(model.get("max_model_len") or 0),
    )  # fmt: skip
    args = {flag.removeprefix("--"): _number(line.value(flag)) for flag in _SIZES if line.value(flag)}
    facts = {"model": model, "engine": engines.get(role.engine.name, {"dialect": role.engine.name})}
    values = {"modelserver": {"roles": {role.name: {"args": args}}}}
    return role_ledger(spec, facts, values, memory_mib=memory_mib) or "the weights of its model are not known"


def _number(text: str | None) -> float | int | str | None:
    """As a values file would have it."""
    for kind in (int, float):
        try:
            return kind(text or "")
        except ValueError:
            continue
    return text
