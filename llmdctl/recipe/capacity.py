"""Whether GPUs hold the model: the smallest number that does, and the roles that have too few.

The second is a warning, because the user may know better of another engine or precision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.memory import (
    DoesNotFit,
    ModelFacts,
    kv_budget,
    kv_bytes_per_sequence,
    smallest_tensor_parallelism,
    usable_bytes,
)
from llmdctl.memory.fit import DEFAULT_UTILISATION
from llmdctl.model.recipe import RoleSpec

_GIB: Final = 2**30
_SHARES: Final = ("gpu-memory-utilization", "mem-fraction-static")
"""Flags of vLLM and SGLang that say how much of a GPU's memory the engine may take."""


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
    memory_mib = facts["accelerator"].get("memory_mib") or 0
    if not memory_mib or not facts["model"].get("weight_bytes"):
        return
    model, usable = ModelFacts.from_facts(facts["model"]), usable_bytes(memory_mib)
    for role in roles:
        share = _share(role.name, facts, values)
        tokens = role.max_model_len or model.max_model_len
        # A pipeline splits the layers, so weights and KV cache shrink alike; each stage profiles on its own.
        split = role.tensor * role.pipeline
        budget = kv_budget(model, usable=usable, tensor=split, utilisation=share, data=role.data, engine=_engine(facts))
        needed = kv_bytes_per_sequence(model, tokens, tensor=role.tensor) // role.pipeline
        if budget.kv < needed:
            yield (
                f"{role.name}: on each of its {split} GPUs {max(0, budget.kv) / _GIB:.1f} GiB remain for the KV cache,"
                f" and one sequence of {tokens} tokens takes {needed / _GIB:.1f} GiB. Raise tensor parallelism or lower"
                " maxModelLen, or the engine may not start."
            )


def _engine(facts: Mapping[str, Mapping[str, Any]]) -> str:
    return str(facts["engine"].get("dialect") or "vllm")


def _share(role: str, facts: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any]) -> float:
    server = values.get("modelserver") or {}
    for holder in ((server.get("roles") or {}).get(role) or {}, server.get("roleDefaults") or {}):
        arguments = holder.get("args") or {}
        for flag in _SHARES:
            stated = arguments.get(flag)
            if isinstance(stated, int | float) and not isinstance(stated, bool) and 0 < stated <= 1:
                return float(stated)
    return float(facts["engine"].get("memory_utilization") or DEFAULT_UTILISATION)
