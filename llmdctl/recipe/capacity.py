"""Whether GPUs hold the model: the smallest number that does, roles with too few, and numbers that do not divide it.

Too little memory is a warning, because the user may know better of another engine or precision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.memory import (
    DoesNotFit,
    KvBudget,
    ModelFacts,
    cut_blocks,
    kv_budget,
    kv_bytes_per_sequence,
    smallest_tensor_parallelism,
    undivided_heads,
    usable_bytes,
)
from llmdctl.memory.fit import DEFAULT_UTILISATION
from llmdctl.model.recipe import RoleSpec

_GIB: Final = 2**30
_SHARES: Final = ("gpu-memory-utilization", "mem-fraction-static", "kv_cache_free_gpu_memory_fraction")
"""Flags of vLLM, SGLang and TensorRT-LLM that say how much of a GPU's memory the engine may take."""

_BLOCK_ENGINES: Final = ("sglang", "vllm")
_BLOCK_VENDORS: Final = ("amd", "nvidia")

_SEQUENCES: Final = ("max-num-seqs",)
_CACHE_TYPES: Final = ("kv-cache-dtype",)
_WHOLE_EXPERTS: Final = ("enable-expert-parallel", "expert-parallel-size")


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
        engine=_engine(facts),
        least=accelerator.get("devices_per_unit") or 1,
    )
    return fit.reason if isinstance(fit, DoesNotFit) else fit.tensor


def too_tight(
    roles: tuple[RoleSpec, ...], facts: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any]
) -> Iterator[str]:
    """A sentence for each role whose KV cache could not hold one sequence of the longest context."""
    for role, model, budget in _budgets(roles, facts, values):
        tokens = role.max_model_len or model.max_model_len
        needed = kv_bytes_per_sequence(model, tokens, tensor=role.tensor) // role.pipeline
        if budget.kv < needed:
            split = role.tensor * role.pipeline
            yield (
                f"{role.name}: on each of its {split} GPUs {max(0, budget.kv) / _GIB:.1f} GiB remain for the KV cache,"
                f" and one sequence of {tokens} tokens takes {needed / _GIB:.1f} GiB. Raise tensor parallelism or lower"
                " maxModelLen, or the engine may not start."
            )


def too_greedy(
    roles: tuple[RoleSpec, ...], facts: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any]
) -> Iterator[str]:
    """A sentence for each role whose engine takes so much that nothing is left for CUDA graphs."""
    for role, _, budget in _budgets(roles, facts, values):
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
    judged = _engine(facts) in _BLOCK_ENGINES and facts["accelerator"].get("vendor") in _BLOCK_VENDORS
    for role in roles:
        if model.heads % role.tensor:
            continue
        split = _holders(role.name, values)
        whole = any(_mapping(holder.get("parallelism")).get("expert") for holder in split)
        whole = whole or any(_argument(role.name, values, (flag,)) for flag in _WHOLE_EXPERTS)
        found = undivided_heads(model, tensor=role.tensor)
        if not found and judged:
            found = cut_blocks(model, tensor=role.tensor, whole_experts=whole)
        if found:
            yield role.name, found


def _budgets(
    roles: tuple[RoleSpec, ...], facts: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any]
) -> Iterator[tuple[RoleSpec, ModelFacts, KvBudget]]:
    """The ledger of one accelerator of each role; nothing where memory or weights are not known."""
    memory_mib = facts["accelerator"].get("memory_mib") or 0
    if not memory_mib or not facts["model"].get("weight_bytes"):
        return
    usable = usable_bytes(memory_mib)
    for role in roles:
        cache = _argument(role.name, values, _CACHE_TYPES)
        model = ModelFacts.from_facts({**facts["model"], **({"kv_cache_dtype": cache} if cache else {})})
        sequences = _argument(role.name, values, _SEQUENCES)
        # A pipeline splits the layers, so weights and KV cache shrink alike; each stage profiles on its own.
        budget = kv_budget(
            model,
            usable=usable,
            tensor=role.tensor * role.pipeline,
            utilisation=_share(role.name, facts, values),
            sequences=sequences if isinstance(sequences, int) and sequences > 0 else None,
            data=role.data,
            engine=_engine(facts),
        )
        yield role, model, budget


def _engine(facts: Mapping[str, Mapping[str, Any]]) -> str:
    return str(facts["engine"].get("dialect") or "vllm")


def _share(role: str, facts: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any]) -> float:
    stated = _argument(role, values, _SHARES)
    if isinstance(stated, int | float) and not isinstance(stated, bool) and 0 < stated <= 1:
        return float(stated)
    return float(facts["engine"].get("memory_utilization") or DEFAULT_UTILISATION)


def _argument(role: str, values: Mapping[str, Any], flags: tuple[str, ...]) -> Any:  # noqa: ANN401  any JSON value
    """What the engine of a role is told by the first of these flags: the role's own word, else that for all."""
    for holder in _holders(role, values):
        arguments = _mapping(holder.get("args"))
        for flag in flags:
            if arguments.get(flag) is not None:
                return arguments[flag]
    return None


def _holders(role: str, values: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The settings of a role and of all roles; what is no mapping is somebody else's mistake to name."""
    server = _mapping(values.get("modelserver"))
    return _mapping(_mapping(server.get("roles")).get(role)), _mapping(server.get("roleDefaults"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
