"""A recipe with a smaller tensor parallelism, as far as the model still fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from llmdctl.memory import cut_blocks, undivided_heads
from llmdctl.memory.serving import role_ledger
from llmdctl.model.quantity import ACCELERATORS, exact

if TYPE_CHECKING:
    from llmdctl.model.recipe import Recipe, RoleSpec
    from llmdctl.preflight.case import Case
    from llmdctl.preflight.workload import PodTemplate

Item = Mapping[str, Any]


def smaller_tensor(case: Case, name: str, workload: Item) -> Iterator[tuple[int, tuple[PodTemplate, ...]]]:
    """(tensor parallelism, all templates with it), the largest first; nothing where what is needed is not known.

    Only accelerators shrink; what else a pod asks for is left as it is, which is the safe side.
    """
    recipe = case.recipe
    role = recipe.role(name) if recipe is not None else None
    if recipe is None or role is None:
        return
    for tensor in range(role.tensor - 1, 0, -1):
        pods = tensor * role.pipeline * role.data
        if role.tensor % tensor or pods % role.nodes or not _holds(recipe, replace(role, tensor=tensor)):
            continue
        share = Fraction(tensor, role.tensor)
        yield tensor, tuple(_scaled(t, share) if t.workload is workload else t for t in case.workloads)


def _holds(recipe: Recipe, role: RoleSpec) -> bool:
    """Whether the GPUs then hold the weights and one sequence of the longest context, and divide the model."""
    memory_mib = recipe.facts["accelerator"].get("memory_mib") or 0
    ledger = role_ledger(role, recipe.facts, recipe.values, memory_mib=memory_mib)
    if ledger is None or ledger.budget.kv < ledger.sequence_bytes:
        return False
    cut = cut_blocks(ledger.model, tensor=role.tensor, whole_experts=ledger.model.whole_experts)
    return not cut and not undivided_heads(ledger.model, tensor=role.tensor)


def _scaled(template: PodTemplate, share: Fraction) -> PodTemplate:
    containers = [_fewer(container, share) for container in template.spec.get("containers") or ()]
    return replace(template, spec={**template.spec, "containers": containers})


def _fewer(container: Item, share: Fraction) -> Item:
    stated = container.get("resources") or {}
    scaled = {
        kind: {name: _times(name, quantity, share) for name, quantity in (stated.get(kind) or {}).items()}
        for kind in ("requests", "limits")
    }
    return {**container, "resources": {**stated, **scaled}}


def _times(name: str, quantity: object, share: Fraction) -> object:
    number = exact(quantity)
    return str(int(number * share)) if name in ACCELERATORS and number is not None else quantity
