"""The smallest tensor parallelism with which a model fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llmdctl.memory.alignment import cut_blocks, undivided_heads
from llmdctl.memory.budget import GIB, kv_budget, usable_bytes
from llmdctl.memory.facts import ModelFacts
from llmdctl.memory.kv import kv_bytes_per_sequence

DEFAULT_UTILISATION: Final = 0.9


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorFit:
    """It fits: on how many accelerators, and how many tokens of KV cache a replica then has."""

    tensor: int
    kv_tokens: int  # whole sequences of `sequence_tokens`, in tokens


@dataclass(frozen=True, kw_only=True, slots=True)
class DoesNotFit:
    """It fits on no number of accelerators of one node; `reason` is a sentence."""

    reason: str


def smallest_tensor_parallelism(
    model: ModelFacts,
    *,
    memory_mib: int,
    count_per_node: int,
    utilisation: float = DEFAULT_UTILISATION,
    sequence_tokens: int = 0,
    engine: str = "vllm",
    least: int = 1,
) -> TensorFit | DoesNotFit:
    """The smallest power of two that divides the attention heads, cuts no quantization block, is no more than the
    accelerators of a node and no less than `least`, and satisfies

        KV of one sequence <= KV cache

    on each of them; `kv_budget` says how the engine leaves room for the KV cache. `sequence_tokens` 0 asks for a
    sequence of the longest context that is planned for. `least` is a power of two: how many come together.
    """
    usable = usable_bytes(memory_mib)
    tokens = sequence_tokens or model.max_model_len
    tensor = least
    reason = undivided_heads(model, tensor=tensor) or f"{least} accelerators come together, and a node has fewer."
    while tensor <= max(1, count_per_node) and not undivided_heads(model, tensor=tensor):
        budget = kv_budget(model, usable=usable, tensor=tensor, utilisation=utilisation, engine=engine)
        sequence = kv_bytes_per_sequence(model, tokens, tensor=tensor)
        cut = cut_blocks(model, tensor=tensor, whole_experts=model.whole_experts)
        if budget.kv >= sequence and not cut:
            return TensorFit(tensor=tensor, kv_tokens=budget.kv // max(1, sequence) * tokens)
        reason = cut or ""
        if budget.kv < sequence:
            reason = (
                f"{model.id or 'the model'} with a context of {tokens} tokens does not fit on {tensor} accelerators of"
                f" {memory_mib / 1024:.0f} GiB: {(sequence - budget.kv) / GIB:.1f} GiB are missing on each."
            )
        tensor *= 2
    return DoesNotFit(reason=reason)
