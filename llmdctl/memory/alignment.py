"""Whether a model can be cut into so many parts: attention heads, KV heads, and the blocks of quantized matrices."""

from __future__ import annotations

from typing import Final

from llmdctl.memory.facts import ModelFacts

_BLOCK: Final = {"fp8_block": 128}
"""Side of a block with one scale: `weight_block_size` of DeepSeek-V3 and of Qwen's FP8 checkpoints."""


def undivided_heads(model: ModelFacts, *, tensor: int) -> str | None:
    """A sentence when `tensor` GPUs cannot share the attention heads evenly; None when they can.

    heads mod tensor = 0, and KV heads mod tensor = 0 or tensor mod KV heads = 0, as vLLM copies KV heads below one a
    GPU (`QKVParallelLinear`). Latent attention has one compressed head that every GPU keeps.
    """
    if model.heads % tensor:
        return f"tensor parallelism {tensor} does not divide the {model.heads} attention heads of {_name(model)}."
    if model.latent is None and model.kv_heads % tensor and tensor % model.kv_heads:
        heads = f"the {model.kv_heads} KV heads of {_name(model)}"
        return f"tensor parallelism {tensor} is neither a divisor nor a multiple of {heads}."
    return None


def cut_blocks(model: ModelFacts, *, tensor: int, whole_experts: bool = False) -> str | None:
    """A sentence when a part of a matrix would end inside a quantization block; None when none does.

    width / tensor mod 128 = 0 for each feed-forward width that is split; vLLM and SGLang refuse to start otherwise
    ("not divisible by weight quantization block_n = 128", `Fp8LinearMethod` and `Fp8MoEMethod`). With expert
    parallelism (`whole_experts`) routed experts are not split.
    """
    block = _BLOCK.get(model.quantization)
    if block is None:
        return None
    for what, width in _split_widths(model, whole_experts=whole_experts):
        if width % tensor or width // tensor % block:
            remedy = "; expert parallelism keeps experts whole" if what == "an expert" else ""
            return (
                f"tensor parallelism {tensor} cuts {what} of {_name(model)}, {width} wide, inside a quantization block"
                f" of {block}{remedy}."
            )
    return None


def _split_widths(model: ModelFacts, *, whole_experts: bool) -> tuple[tuple[str, int], ...]:
    """(what, width) of every feed-forward matrix that tensor parallelism splits."""
    experts = model.experts
    if experts is None:
        return (("the feed-forward network", model.ffn),)
    found = [] if whole_experts else [("an expert", experts.width)]
    if experts.shared_width:
        found.append(("the shared expert", experts.shared_width))
    if experts.dense_layers:
        found.append(("the feed-forward network", experts.dense_width))
    return tuple(found)


def _name(model: ModelFacts) -> str:
    return model.id or "the model"
