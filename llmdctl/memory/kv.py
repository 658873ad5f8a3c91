"""What the KV cache of a token, and of a whole sequence, takes on one GPU."""

from __future__ import annotations

from typing import Final

from llmdctl.memory.facts import LatentAttention, ModelFacts

_CONV_BYTES: Final = 2  # bfloat16
_STATE_BYTES: Final = 4  # vLLM keeps the recurrent state in float32 (`mamba_ssm_dtype`)


def kv_bytes_per_token(model: ModelFacts, *, tensor: int = 1) -> int:
    """Bytes of one more token on each GPU of a replica, as long as no window is full.

    Grouped-query attention: layers x 2 x max(1, ceil(kv_heads / tensor)) x head_dim x bytes; below one head a GPU,
    heads are copied. Latent attention: layers x (kv_rank + rope_dim) x bytes on every GPU (arXiv 2405.04434).
    """
    return (model.full_layers + model.windowed_layers) * _layer_bytes(model, tensor)


def kv_bytes_per_sequence(model: ModelFacts, tokens: int, *, tensor: int = 1) -> int:
    """Bytes of a sequence of `tokens` on each GPU: a windowed layer never keeps more than its window.

    That is vLLM's hybrid KV cache manager; with it switched off windows are kept in full.
    """
    kept = model.full_layers * tokens + model.windowed_layers * min(tokens, model.window or tokens)
    return kept * _layer_bytes(model, tensor) + state_bytes_per_sequence(model, tensor=tensor)


def state_bytes_per_sequence(model: ModelFacts, *, tensor: int = 1) -> int:
    """Bytes of the recurrent state of a sequence on each GPU; 0 for models that have attention alone."""
    if model.state is None:
        return 0
    layer = model.state.conv_elements * _CONV_BYTES + model.state.state_elements * _STATE_BYTES
    return -(-model.state.layers * layer // tensor)


def _layer_bytes(model: ModelFacts, tensor: int) -> int:
    if model.latent is not None:
        return _latent_bytes(model.latent, model.kv_dtype_bytes)
    return 2 * max(1, -(-model.kv_heads // tensor)) * model.head_dim * model.kv_dtype_bytes


def _latent_bytes(latent: LatentAttention, width: int) -> int:
    """(kv_rank + rope_dim) x bytes; sparse attention adds its indexer's key.

    vLLM keeps that key as index_dim bytes of FP8 and a 4-byte scale for each 128 (`DeepseekV32IndexerCache`), and with
    an FP8 cache (`fp8_ds_mla`) the compressed vector as kv_rank bytes, a 4-byte scale for each 128, and rope_dim
    16-bit numbers: 656 bytes for DeepSeek-V3.2.
    """
    if not latent.index_dim:
        return (latent.kv_rank + latent.rope_dim) * width
    indexer = latent.index_dim + -(-latent.index_dim // 128) * 4
    if width == 1:
        return latent.kv_rank + -(-latent.kv_rank // 128) * 4 + 2 * latent.rope_dim + indexer
    return (latent.kv_rank + latent.rope_dim) * width + indexer
