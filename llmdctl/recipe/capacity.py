"""Whether GPUs hold the model: the smallest number that does, roles with too few, and numbers that do not divide it.

Too little memory is a warning, because the user may know better of another engine or precision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.memory import (
    DoesNotFit,
    ModelFacts,
    RoleLedger,
    cut_blocks,
    dialect,
    role_ledger,
    smallest_tensor_parallelism,
    undivided_heads,
    whole_experts,
)
from llmdctl.memory.fit import DEFAULT_UTILISATION
from llmdctl.model.recipe import RoleSpec

_GIB: Final = 2**30
_BLOCK_ENGINES: Final = ("sglang", "vllm")
_BLOCK_VENDORS: Final = ("amd", "nvidia")


def tensor_fit(facts: Mapping[str, Mapping[str, Any]]) -> int | str:
    """The smallest tensor parallelism that holds the model and one sequence of its whole context; a sentence if none.

    At least the devices that one unit of the resource brings; 1 on an accelerator whose memory is not known, such as a
    CPU.
    """
    accelerator = facts["accelerator"]
    memory_mib = accelerator.get("memory_mib") or 0
    if not memory_mib:
        return 1
    fit = smallest_tensor_parallelism(
        ModelFacts.from_facts(facts["model"]),
        memory_mib=memory_mib,
        count_per_node=accelerator.get("count_per_node") or 1,
        utilisation=facts["engine"].get("memory_utilization") or DEFAULT_UTILISATION,
        engine=dialect(facts),
        least=accelerator.get("devices_per_unit") or 1,
    )
    return fit.reason if isinstance(fit, DoesNotFit) else fit.tensor


def too_tight(
    roles: tuple[RoleSpec, ...], facts: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any]
) -> Iterator[str]:
    """A sentence for each role whose KV cache could not hold one sequence of the longest context."""
    for ledger in _ledgers(roles, facts, values):
        role, budget, needed = ledger.role, ledger.budget, ledger.sequence_bytes
        if budget.kv < needed:
            split = role.tensor * role.pipeline
            yield (
                f"{role.name}: on each of its {split} GPUs {max(0, budget.kv) / _GIB:.1f} GiB remain for the KV cache,"
                f" and one sequence of {ledger.tokens} tokens takes {needed / _GIB:.1f} GiB. Raise tensor parallelism"
                " or lower maxModelLen, or the engine may not start."
            )


def too_greedy(
    roles: tuple[RoleSpec, ...], facts: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any]
) -> Iterator[str]:
    """A sentence for each role whose engine takes so much that nothing is left for CUDA graphs."""
    for ledger in _ledgers(roles, facts, values):
        role, budget = ledger.role, ledger.budget
        if budget.spare < 0:
            yield (
                f"{role.name}: beside the engine's share {(budget.spare + budget.graphs) / _GIB:.1f} GiB of each"
                f" accelerator are free, and CUDA graphs take up to {budget.graphs / _GIB:.0f} GiB. Lower the share of"
                " memory, or the engine may run out while it captures them."
            )


def uneven(
    roles: tuple[RoleSpec, ...], facts: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """(role, sentence) for each role whose tensor parallelism the engine refuses: KV heads, quantization blocks.

    Query heads are not judged here: `roles.role_problems` names the numbers that would do. Blocks are judged for vLLM
    and SGLang on GPUs, whose kernels refuse a part of one.
    """
    if not facts["accelerator"].get("memory_mib") or not facts["model"].get("config"):
        return
    model = ModelFacts.from_facts(facts["model"])
    judged = dialect(facts) in _BLOCK_ENGINES and facts["accelerator"].get("vendor") in _BLOCK_VENDORS
    for role in roles:
        if model.heads % role.tensor:
            continue
        found = undivided_heads(model, tensor=role.tensor)
        if not found and judged:
            found = cut_blocks(model, tensor=role.tensor, whole_experts=whole_experts(role.name, values))
        if found:
            yield role.name, found


def _ledgers(
    roles: tuple[RoleSpec, ...], facts: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any]
) -> Iterator[RoleLedger]:
    """The ledger of one accelerator of each role; nothing where memory or weights are not known."""
    for role in roles:
        ledger = role_ledger(role, facts, values, memory_mib=facts["accelerator"].get("memory_mib") or 0)
        if ledger is not None:
            yield ledger
