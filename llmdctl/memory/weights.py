"""How many parameters a model has, and how many bytes they take on disk and in GPU memory.

The formulas count the matrices of the published architectures; they reproduce the published totals exactly (Llama
3.1, Qwen3, gpt-oss, DeepSeek-V3, Qwen3-235B). Where a safetensors index is known its `metadata.total_size` is better.
"""

from __future__ import annotations

from typing import Final

from llmdctl.memory.facts import Experts, LatentAttention, ModelFacts

_BYTES_PER_PARAMETER: Final = {
    "fp8": 1.0,
    "int8": 1.0,
    "fp8_block": 1 + 4 / (128 * 128),  # a 4-byte scale for each block of 128 x 128
    "mxfp4": 4.25 / 8,  # 4 bits and a shared 8-bit exponent for 32 weights: OCP Microscaling Formats v1.0
    "nvfp4": 0.5 + 1 / 16,  # 4 bits and an 8-bit scale for 16 weights
}
_EXPERTS_ONLY: Final = ("mxfp4",)  # gpt-oss stores nothing but expert matrices in it
_PADDED_TO: Final = 256  # vLLM pads an expert's width for its MXFP4 kernels: 2880 -> 3072 in gpt-oss


def parameters(model: ModelFacts) -> int:
    """All parameters, embeddings included; extra layers for multi-token prediction are not."""
    return round(sum(_counts(model)))


def weight_bytes(model: ModelFacts) -> int:
    """Bytes of the stored weights: the exact total where it is known, else by formula."""
    return model.stored_bytes or weight_bytes_by_formula(model)


def weight_bytes_by_formula(model: ModelFacts) -> int:
    """Bytes of the stored weights: quantized matrices at their width, everything else at the model's own.

    Embeddings, head, norms, biases and router stay at 16 bits in every published checkpoint of these formats.
    """
    experts, matrices, rest = _counts(model)
    width = _BYTES_PER_PARAMETER.get(model.quantization)
    if width is None:
        return round((experts + matrices + rest) * model.dtype_bytes)
    if model.quantization in _EXPERTS_ONLY:
        return round(experts * width + (matrices + rest) * model.dtype_bytes)
    return round((experts + matrices) * width + rest * model.dtype_bytes)


def loaded_weight_bytes(model: ModelFacts) -> int:
    """Bytes of the weights in GPU memory, of all GPUs together.

    vLLM pads MXFP4 experts: 64.38 GiB measured on an H100 for gpt-oss-120b of 60.77 GiB on disk, 64.55 by this formula
    (https://github.com/llm-d-incubation/llm-d-planner/blob/main/docs/empirical-vllm-memory-results.md).
    """
    stored = weight_bytes(model)
    if model.quantization not in _EXPERTS_ONLY or model.experts is None:
        return stored
    width = model.experts.width
    padded = -(-width // _PADDED_TO) * _PADDED_TO
    expert_bytes = _counts(model)[0] * _BYTES_PER_PARAMETER[model.quantization]
    return round(stored + expert_bytes * (padded / width - 1))


def loaded_expert_bytes(model: ModelFacts) -> int:
    """What of `loaded_weight_bytes` are routed experts; 0 for a dense model.

    In a format without a formula experts weigh as much as anything else for each parameter.
    """
    if model.experts is None:
        return 0
    counts = _counts(model)
    width = _BYTES_PER_PARAMETER.get(model.quantization)
    if width is None:
        return round(weight_bytes(model) * counts[0] / sum(counts))
    padded = -(-model.experts.width // _PADDED_TO) * _PADDED_TO if model.quantization in _EXPERTS_ONLY else 0
    return round(counts[0] * width * (padded / model.experts.width if padded else 1))


def extra_layer_bytes(model: ModelFacts) -> int:
    """Bytes of the layers for multi-token prediction, which are downloaded but not loaded for ordinary decoding.

    One more sparse layer with a 2 d x d projection (arXiv 2412.19437, section 2.2). DeepSeek stores a copy of embedding
    and head beside it: 15.4 GB of the 688.6 GB that are published. GLM-5 and Qwen3.5 do not: 9,952,940,544 of the
    753,864,139,008 published parameters of GLM-5, 6,595,568,128 of the 403,397,928,944 of Qwen3.5-397B.
    """
    if not model.extra_layers or model.experts is None:
        return 0
    attention, attention_rest = _attention(model)
    experts, others, rest = _sparse_layer(model, model.experts)
    width = _BYTES_PER_PARAMETER.get(model.quantization, float(model.dtype_bytes))
    copies = 2 * model.vocab * model.hidden if model.architecture.startswith("Deepseek") else 0
    plain = attention_rest + rest + copies + 2 * model.hidden * model.hidden
    return round(model.extra_layers * ((attention + experts + others) * width + plain * model.dtype_bytes))


def _counts(model: ModelFacts) -> tuple[float, float, float]:
    """Parameters of expert matrices, of other matrices inside layers, and of all that is never quantized."""
    attention, attention_rest = _attention(model)
    state_layers = model.state.layers if model.state else 0
    mixers = model.state.parameters * state_layers if model.state else 0
    with_attention = model.full_layers + model.windowed_layers if state_layers else model.layers
    norms = (4 if model.architecture.startswith("Gemma3") else 2) * model.layers * model.hidden + model.hidden
    embeddings = model.vocab * model.hidden * (1 if model.tied else 2)
    matrices = with_attention * attention + mixers
    rest = with_attention * attention_rest + norms + embeddings + model.other_parameters
    if model.experts is None:
        return 0, matrices + model.layers * 3 * model.hidden * model.ffn, rest
    experts, others, router = _sparse_layer(model, model.experts)
    dense = model.experts.dense_layers
    sparse = model.layers - dense
    matrices += dense * 3 * model.hidden * model.experts.dense_width + sparse * others
    return sparse * experts, matrices, rest + sparse * router


def _sparse_layer(model: ModelFacts, experts: Experts) -> tuple[int, int, int]:
    """E 3 d f | 3 d s | d E, and biases: gpt-oss has them on experts and router, DeepSeek-V3 on the router.

    A shared expert of Qwen3-Next and later has a gate of d.
    """
    router = model.hidden * experts.count
    if model.architecture.startswith("GptOss"):
        router += experts.count + experts.count * (2 * experts.width + model.hidden)
    elif model.latent is not None:
        router += experts.count
    elif model.gated_attention and experts.shared_width:
        router += model.hidden
    return experts.count * 3 * model.hidden * experts.width, 3 * model.hidden * experts.shared_width, router


def _attention(model: ModelFacts) -> tuple[int, int]:
    """Matrices of one layer's attention, and its biases, norms and sinks."""
    if model.latent is not None:
        return _latent_attention(model, model.latent)
    queries, keys = model.heads * model.head_dim, model.kv_heads * model.head_dim
    gate = model.hidden * queries if model.gated_attention else 0
    matrices = model.hidden * queries + gate + 2 * model.hidden * keys + queries * model.hidden
    rest = 0
    if model.architecture.startswith("GptOss"):  # biases everywhere, and one sink for each head
        rest += queries + 2 * keys + model.hidden + model.heads
    elif model.attention_bias:
        rest += queries + 2 * keys
    if model.architecture.startswith(("Qwen3", "Gemma3")):  # norms of queries and keys
        rest += 2 * model.head_dim
    return matrices, rest


def _latent_attention(model: ModelFacts, latent: LatentAttention) -> tuple[int, int]:
    head = latent.nope_dim + latent.rope_dim
    if latent.q_rank:
        queries = model.hidden * latent.q_rank + latent.q_rank * model.heads * head
    else:
        queries = model.hidden * model.heads * head
    keys = model.hidden * (latent.kv_rank + latent.rope_dim)
    keys += latent.kv_rank * model.heads * (latent.nope_dim + latent.value_dim)
    if latent.index_dim:  # the indexer: its queries, one key, a weight for each head
        queries += latent.index_dim * latent.index_heads * (latent.q_rank or model.hidden)
        keys += model.hidden * (latent.index_dim + latent.index_heads)
    return queries + keys + model.heads * latent.value_dim * model.hidden, latent.q_rank + latent.kv_rank
