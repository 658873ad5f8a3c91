"""The ledger of one role as its engine is told to run: what a composed recipe says, on GPUs of a given memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from llmdctl.memory.budget import KvBudget, default_sequences, kv_budget, usable_bytes
from llmdctl.memory.facts import ModelFacts
from llmdctl.memory.fit import DEFAULT_UTILISATION
from llmdctl.memory.kv import kv_bytes_per_sequence
from llmdctl.model.recipe import RoleSpec

Facts = Mapping[str, Mapping[str, Any]]
"""Axis -> the facts of its facet, as `Recipe.facts`."""

Values = Mapping[str, Any]
"""The umbrella chart's values, as `Recipe.values`."""

SHARES: Final = ("gpu-memory-utilization", "mem-fraction-static", "kv_cache_free_gpu_memory_fraction")
"""Flags of vLLM, SGLang and TensorRT-LLM that say how much of a GPU's memory the engine may take."""

_SEQUENCES: Final = ("max-num-seqs",)
_CACHE_TYPES: Final = ("kv-cache-dtype",)
_WHOLE_EXPERTS: Final = ("enable-expert-parallel", "expert-parallel-size")


@dataclass(frozen=True, kw_only=True, slots=True)
class RoleLedger:
    """One GPU of one role: its bytes, and what a sequence of the longest context takes of them."""

    role: RoleSpec
    model: ModelFacts
    memory_mib: int  # of the GPU, as the driver names it
    budget: KvBudget
    sequences: int  # that the engine runs at once: `max_num_seqs`, or its default
    tokens: int  # of the longest context

    @property
    def sequence_bytes(self) -> int:
        """KV cache of one sequence of `tokens` on each GPU. A pipeline splits the layers."""
        return kv_bytes_per_sequence(self.model, self.tokens, tensor=self.role.tensor) // self.role.pipeline

    @property
    def kv_tokens(self) -> int:
        """Tokens that the KV cache holds, in sequences of the longest context (a windowed model holds more of short
        ones)."""
        return max(0, self.budget.kv) * self.tokens // max(1, self.sequence_bytes)


def role_ledger(role: RoleSpec, facts: Facts, values: Values, *, memory_mib: int) -> RoleLedger | None:
    """The ledger of a role on GPUs of which the driver names `memory_mib`; None where the weights are not known."""
    if memory_mib <= 0 or not facts["model"].get("weight_bytes"):
        return None
    cache = argument(role.name, values, _CACHE_TYPES)
    model = ModelFacts.from_facts({**facts["model"], **({"kv_cache_dtype": cache} if cache else {})})
    usable = usable_bytes(memory_mib)
    stated = argument(role.name, values, _SEQUENCES)
    sequences = stated if isinstance(stated, int) and stated > 0 else default_sequences(usable)
    # A pipeline splits the layers, so weights and KV cache shrink alike; each stage profiles on its own.
    budget = kv_budget(
        model,
        usable=usable,
        tensor=role.tensor * role.pipeline,
        utilisation=share(role.name, facts, values),
        sequences=sequences,
        data=role.data,
        engine=dialect(facts),
    )
    tokens = role.max_model_len or model.max_model_len
    return RoleLedger(role=role, model=model, memory_mib=memory_mib, budget=budget, sequences=sequences, tokens=tokens)


def dialect(facts: Facts) -> str:
    """Whose flags the engine takes: vllm, sglang or trtllm."""
    return str(facts["engine"].get("dialect") or "vllm")


def share(role: str, facts: Facts, values: Values) -> float:
    """The share of a GPU's memory that the engine of a role may take."""
    stated = argument(role, values, SHARES)
    if isinstance(stated, int | float) and not isinstance(stated, bool) and 0 < stated <= 1:
        return float(stated)
    return float(facts["engine"].get("memory_utilization") or DEFAULT_UTILISATION)


def whole_experts(role: str, values: Values) -> bool:
    """Whether the engine of a role keeps each expert whole (expert parallelism)."""
    stated = any(_mapping(holder.get("parallelism")).get("expert") for holder in holders(role, values))
    return stated or any(argument(role, values, (flag,)) for flag in _WHOLE_EXPERTS)


def serves_the_facet(facts: Facts, values: Values) -> bool:
    """Whether the chosen facet's model is served, and not one whose id the user put in its place."""
    stated = _mapping(_mapping(_mapping(values.get("global")).get("llmd")).get("model")).get("id")
    return stated in (None, "", facts["model"].get("id"))


def argument(role: str, values: Values, flags: tuple[str, ...]) -> Any:  # noqa: ANN401  any JSON value
    """What the engine of a role is told by the first of these flags: the role's own word, else that for all."""
    for holder in holders(role, values):
        arguments = _mapping(holder.get("args"))
        for flag in flags:
            if arguments.get(flag) is not None:
                return arguments[flag]
    return None


def holders(role: str, values: Values) -> Iterator[Mapping[str, Any]]:
    """The settings of a role, then those of all roles; what is no mapping is somebody else's mistake to name."""
    server = _mapping(values.get("modelserver"))
    yield _mapping(_mapping(server.get("roles")).get(role))
    yield _mapping(server.get("roleDefaults"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
