"""The numbers of a model that decide how much memory it takes, read from its config.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_DTYPE_BYTES: Final = {
    "bfloat16": 2,
    "bf16": 2,
    "float16": 2,
    "fp16": 2,
    "half": 2,
    "auto": 2,
    "float32": 4,
    "fp8": 1,
    "fp8_e4m3": 1,
    "fp8_e5m2": 1,
    "int8": 1,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Experts:
    """A sparse mixture of experts."""

    count: int
    per_token: int
    width: int  # intermediate size of one expert
    shared_width: int  # of all shared experts together; 0 = none
    dense_layers: int  # layers with an ordinary feed-forward network
    dense_width: int  # intermediate size of those


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentAttention:
    """Multi-head latent attention (DeepSeek-V2 and later): one compressed vector a token instead of K and V."""

    kv_rank: int
    q_rank: int  # 0 = queries are not compressed
    nope_dim: int
    rope_dim: int
    value_dim: int
    index_dim: int  # of the indexer of sparse attention; 0 = none
    index_heads: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RecurrentState:
    """Layers with a state of fixed size (Mamba 2, gated delta net) instead of a growing KV cache."""

    layers: int
    conv_elements: int  # of one layer and sequence
    state_elements: int
    parameters: int  # of one such layer's mixer


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFacts:
    """A model by its numbers. Layers with attention are `full_layers + windowed_layers`."""

    id: str
    architecture: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    ffn: int
    tied: bool
    attention_bias: bool
    gated_attention: bool  # queries come with a gate of their own width (Qwen3-Next and later)
    dtype_bytes: int
    quantization: str  # "", fp8, fp8_block, mxfp4, ...
    full_layers: int
    windowed_layers: int
    window: int  # tokens; 0 = none
    experts: Experts | None
    latent: LatentAttention | None
    state: RecurrentState | None
    kv_dtype_bytes: int
    extra_layers: int  # for multi-token prediction: stored, but loaded only for speculative decoding
    other_parameters: int  # outside the language model: a vision tower and its projector
    whole_experts: bool  # served with expert parallelism, so that tensor parallelism does not split experts
    stored_bytes: int  # exact total of the safetensors index; 0 = not known
    max_model_len: int  # tokens: the longest context that is planned for

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> ModelFacts:
        """From a model facet's `id` and `config`, and optionally `weight_bytes`, `served_model_len`, `max_model_len`,
        `kv_cache_dtype`, `expert_parallel`.

        Raises KeyError when the config lacks a number that every model has.
        """
        return cls.from_config(
            facts["config"],
            name=str(facts.get("id") or ""),
            stored_bytes=int(facts.get("weight_bytes") or 0),
            max_model_len=int(facts.get("served_model_len") or facts.get("max_model_len") or 0),
            kv_dtype=str(facts.get("kv_cache_dtype") or "auto"),
            whole_experts=bool(facts.get("expert_parallel")),
        )

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        *,
        name: str = "",
        stored_bytes: int = 0,
        max_model_len: int = 0,
        kv_dtype: str = "auto",
        whole_experts: bool = False,
    ) -> ModelFacts:
        """From a config.json as on the Hugging Face hub, or the part of it that a facet keeps.

        Raises KeyError when a number that every model has is missing.
        """
        text = {**config, **(config.get("text_config") or {})}  # multimodal models nest everything there
        architecture = str((config.get("architectures") or [text.get("architecture") or ""])[0])
        dtype_bytes = _DTYPE_BYTES.get(str(text.get("dtype") or text.get("torch_dtype") or "auto"), 2)
        return cls(
            id=name,
            architecture=architecture,
            # Configurations of Gemma leave it out, and their class in transformers ties embeddings and head.
            tied=bool(text.get("tie_word_embeddings", architecture.startswith("Gemma"))),
            attention_bias=bool(text.get("attention_bias", False)),
            gated_attention=bool(text.get("attn_output_gate") or text.get("linear_num_value_heads")),
            dtype_bytes=dtype_bytes,
            quantization=_quantization(text),
            experts=_experts(text),
            latent=_latent(text),
            state=_state(text),
            kv_dtype_bytes=dtype_bytes if kv_dtype == "auto" else _DTYPE_BYTES.get(kv_dtype, dtype_bytes),
            extra_layers=_first(text, "num_nextn_predict_layers", "mtp_num_hidden_layers"),
            other_parameters=_other_parameters(config),
            whole_experts=whole_experts,
            stored_bytes=stored_bytes,
            max_model_len=max_model_len or int(text.get("max_position_embeddings") or 0),
            **_shape(text),
            **_windows(text),
        )


def _shape(text: Mapping[str, Any]) -> dict[str, int]:
    """Sizes. Missing `head_dim` means hidden / heads and missing `num_key_value_heads` as many as query heads, as in
    transformers' own configuration classes."""
    heads, hidden = int(text["num_attention_heads"]), int(text["hidden_size"])
    return {
        "layers": int(text["num_hidden_layers"]),
        "hidden": hidden,
        "heads": heads,
        "kv_heads": int(text.get("num_key_value_heads") or heads),
        "head_dim": int(text.get("head_dim") or hidden // heads),
        "vocab": int(text["vocab_size"]),
        "ffn": int(text.get("intermediate_size") or 0),
    }


def _first(text: Mapping[str, Any], *names: str) -> int:
    return next((int(text[name]) for name in names if text.get(name) is not None), 0)


def _windows(text: Mapping[str, Any]) -> dict[str, int]:
    """Layers that keep every token, layers that keep a window, and the window.

    Qwen2 states `sliding_window` while `use_sliding_window` is false: it then counts for nothing.
    """
    layers = int(text["num_hidden_layers"])
    window = 0 if text.get("use_sliding_window") is False else int(text.get("sliding_window") or 0)
    full, windowed = _layer_kinds(text, layers, window)
    if not window:
        full, windowed = full + windowed, 0
    return {"full_layers": full, "windowed_layers": windowed, "window": window if windowed else 0}


def _layer_kinds(text: Mapping[str, Any], layers: int, window: int) -> tuple[int, int]:
    types = text.get("layer_types")
    counts: dict[str, int] = {}
    if isinstance(types, Mapping):
        counts = {str(kind): int(number) for kind, number in types.items()}
    elif isinstance(types, Sequence) and not isinstance(types, str):
        counts = {str(kind): sum(1 for one in types if one == kind) for kind in types}
    if counts:
        full = sum(number for kind, number in counts.items() if kind in ("full_attention", "attention"))
        return full, counts.get("sliding_attention", 0)
    pattern = int(text.get("sliding_window_pattern") or 0)  # every n-th layer is full
    if window and pattern:
        return layers // pattern, layers - layers // pattern
    hybrid = text.get("hybrid_override_pattern")
    if hybrid:
        return str(hybrid).count("*"), 0
    return (0, layers) if window else (layers, 0)


def _experts(text: Mapping[str, Any]) -> Experts | None:
    count = _first(text, "num_experts", "num_local_experts", "n_routed_experts")
    if not count:
        return None
    width = _first(text, "moe_intermediate_size", "intermediate_size")
    shared = _first(text, "shared_expert_intermediate_size") or _first(text, "n_shared_experts") * width
    dense = _first(text, "first_k_dense_replace")
    if "interleave_moe_layer_step" in text:  # Llama 4: every n-th layer is sparse, and has one shared expert
        layers, step = int(text["num_hidden_layers"]), int(text["interleave_moe_layer_step"])
        shared, dense = width, layers - layers // step
    return Experts(
        count=count,
        per_token=_first(text, "num_experts_per_tok", "experts_per_token", "moe_k", "top_k_experts"),
        width=width,
        shared_width=shared,
        dense_layers=dense,
        dense_width=_first(text, "intermediate_size_mlp", "intermediate_size"),
    )


def _latent(text: Mapping[str, Any]) -> LatentAttention | None:
    if not text.get("kv_lora_rank"):
        return None
    return LatentAttention(
        kv_rank=int(text["kv_lora_rank"]),
        q_rank=_first(text, "q_lora_rank"),
        nope_dim=int(text["qk_nope_head_dim"]),
        rope_dim=int(text["qk_rope_head_dim"]),
        value_dim=int(text["v_head_dim"]),
        index_dim=_first(text, "index_head_dim"),
        index_heads=_first(text, "index_n_heads"),
    )


def _other_parameters(config: Mapping[str, Any]) -> int:
    """What a facet states, else the transformer blocks of `vision_config`: depth x (4 h^2 + n h f), n = 3 with a gate.

    Patch embedding and projector come to a few percent of that, and the whole to a few percent of the model.
    """
    if config.get("other_parameters") is not None:
        return int(config["other_parameters"])
    vision = config.get("vision_config") or {}
    depth, hidden = _first(vision, "depth", "num_hidden_layers"), _first(vision, "hidden_size")
    matrices = 3 if vision.get("model_type") == "pixtral" else 2
    return depth * hidden * (4 * hidden + matrices * _first(vision, "intermediate_size"))


def _state(text: Mapping[str, Any]) -> RecurrentState | None:
    """Gated delta net: conv (2 nk dk + nv dv)(k-1), state nv dv dk. Mamba 2: conv (nh hd + 2 ng N)(k-1), state nh hd N.

    Shapes as in vLLM's MambaStateShapeCalculator; parameters of the projections, the convolution and the norm.
    """
    hidden = int(text["hidden_size"])
    if text.get("linear_num_value_heads"):
        keys, values = int(text["linear_num_key_heads"]), int(text["linear_num_value_heads"])
        key_dim, value_dim = int(text["linear_key_head_dim"]), int(text["linear_value_head_dim"])
        width, mixed, kernel = values * value_dim, 2 * keys * key_dim, int(text["linear_conv_kernel_dim"])
        return RecurrentState(
            layers=_layers_of(text.get("layer_types"), "linear_attention"),
            conv_elements=(mixed + width) * (kernel - 1),
            state_elements=width * key_dim,
            # q, k, v | gate | out | two numbers a head | convolution | decay and bias of each head, and the norm
            parameters=hidden * (mixed + 3 * width + 2 * values) + (mixed + width) * kernel + 2 * values + value_dim,
        )
    if text.get("mamba_num_heads"):
        heads, size = int(text["mamba_num_heads"]), int(text["ssm_state_size"])
        width, kernel = heads * int(text["mamba_head_dim"]), int(text["conv_kernel"])
        mixed = 2 * int(text["n_groups"]) * size
        return RecurrentState(
            layers=str(text.get("hybrid_override_pattern") or "").count("M"),
            conv_elements=(width + mixed) * (kernel - 1),
            state_elements=width * size,
            parameters=hidden * (3 * width + mixed + heads) + (width + mixed) * (kernel + 1) + 3 * heads + width,
        )
    return None


def _layers_of(types: object, kind: str) -> int:
    if isinstance(types, Mapping):
        return int(types.get(kind) or 0)
    return list(types).count(kind) if isinstance(types, list | tuple) else 0


def _quantization(text: Mapping[str, Any]) -> str:
    stated = text.get("quantization")
    if stated:
        return str(stated)
    config = text.get("quantization_config") or {}
    method = str(config.get("quant_method") or "")
    return f"{method}_block" if method == "fp8" and config.get("weight_block_size") else method
