"""A model facet from the config.json of a model that no facet describes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.errors import Problem, RecipeError
from llmdctl.memory import ModelFacts, extra_layer_bytes, weight_bytes
from llmdctl.model.document import Document

_NUMBERS: Final = ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size")
"""What every model has, and what decides its memory."""

_KEPT: Final = (
    "num_key_value_heads", "head_dim", "intermediate_size", "moe_intermediate_size", "kv_lora_rank", "q_lora_rank",
    "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "index_head_dim", "index_n_heads", "n_shared_experts",
    "shared_expert_intermediate_size", "first_k_dense_replace", "interleave_moe_layer_step", "intermediate_size_mlp",
    "linear_num_key_heads", "linear_num_value_heads", "linear_key_head_dim", "linear_value_head_dim",
    "linear_conv_kernel_dim", "mamba_num_heads", "mamba_head_dim", "ssm_state_size", "n_groups", "conv_kernel",
    "hybrid_override_pattern", "attention_bias",
)  # fmt: skip
"""Copied under the name that they have on the hub."""

_FORMATS: Final = ("fp8", "fp8_block", "int8", "mxfp4", "nvfp4")
_TYPES: Final = ("bfloat16", "float16", "float32")
_ID: Final = re.compile(r"[^/\s]+/[^/\s]+")


def model_facet(
    document: Document,
    *,
    id: str = "",  # noqa: A002  the word of the hub
    name: str = "",
    stored_bytes: int = 0,
    max_model_len: int = 0,
    gated: bool = False,
) -> dict[str, Any]:
    """The facet, as it stands in facets/models/<name>.yaml, of a config.json that was read as `document`.

    `stored_bytes` is the exact total of the safetensors files; 0 works it out, which quantization formats without a
    formula do not allow. Raises RecipeError with everything that is missing.
    """
    config = document.value
    problems = list(_missing(document, config, id=id))
    if problems:
        raise RecipeError(f"No model facet can be made of {document.file}.", problems=tuple(problems))
    model_id = id or str(config["_name_or_path"])
    facts = ModelFacts.from_config(config, name=model_id, stored_bytes=stored_bytes)
    if not stored_bytes and facts.quantization not in ("", *_FORMATS):
        message = f"the weights are stored as '{facts.quantization}', for which there is no formula."
        remedy = "Say what the safetensors files weigh with --weight-bytes; metadata.total_size of their index does."
        problem = Problem(file=document.file, path="quantization_config", message=message, remedy=remedy)
        raise RecipeError(f"No model facet can be made of {document.file}.", problems=(problem,))
    stored = weight_bytes(facts)
    download = stored + extra_layer_bytes(facts)
    return {
        "kind": "model",
        "name": name or slug(model_id),
        "title": model_id.rpartition("/")[2],
        "facts": {
            "id": model_id,
            "config": _config(config, facts),
            "weight_bytes": stored,
            **({"download_bytes": download} if download > stored else {}),
            "max_model_len": max_model_len or facts.max_model_len or 4096,
            **({"media": ["image"]} if config.get("vision_config") else {}),
            "gated": gated,
            "licence": "unknown",
        },
        "values": _values(gated=gated),
    }


def slug(model_id: str) -> str:
    """A facet's name from a model's: `Qwen/Qwen3-32B` becomes `qwen3-32b`."""
    return re.sub(r"[^a-z0-9.]+", "-", model_id.rpartition("/")[2].lower()).strip("-.") or "model"


def _missing(document: Document, config: Mapping[str, Any], *, id: str) -> Iterator[Problem]:  # noqa: A002
    text = {**config, **(config.get("text_config") or {})}
    for key in _NUMBERS:
        if not isinstance(text.get(key), int):
            yield Problem(
                file=document.file, path=key, message="the number is missing: this is no model's config.json."
            )
    if not id and not _ID.fullmatch(str(config.get("_name_or_path") or "")):
        remedy = "Say it with --id, such as --id my-company/my-model."
        yield Problem(file=document.file, message="the file does not say what the model is called.", remedy=remedy)
    elif id and not _ID.fullmatch(id):
        yield Problem(file="--id", message=f"'{id}' is no name of a model: it wants the form organisation/model.")


def _config(config: Mapping[str, Any], facts: ModelFacts) -> dict[str, Any]:
    """The part that decides memory, in the vocabulary of facets."""
    text = {**config, **(config.get("text_config") or {})}
    kept: dict[str, Any] = {key: int(text[key]) for key in _NUMBERS}
    kept |= {key: text[key] for key in _KEPT if text.get(key) not in (None, "")}
    kept |= {"architecture": facts.architecture, "head_dim": facts.head_dim, "num_key_value_heads": facts.kv_heads}
    kept["tie_word_embeddings"] = facts.tied
    dtype = str(text.get("dtype") or text.get("torch_dtype") or "bfloat16")
    kept["torch_dtype"] = dtype if dtype in _TYPES else "bfloat16"
    if facts.quantization in _FORMATS:
        kept["quantization"] = facts.quantization
    if facts.experts:
        kept |= {"num_experts": facts.experts.count, "moe_intermediate_size": facts.experts.width}
        if facts.experts.per_token:
            kept["num_experts_per_tok"] = facts.experts.per_token
    kinds = {
        "full_attention": facts.full_layers,
        "sliding_attention": facts.windowed_layers,
        "linear_attention": facts.state.layers if facts.state and "hybrid_override_pattern" not in kept else 0,
    }
    if kinds["sliding_attention"] or kinds["linear_attention"]:
        kept["layer_types"] = {kind: number for kind, number in kinds.items() if number}
    if facts.window:
        kept["sliding_window"] = facts.window
    if facts.extra_layers:
        kept["num_nextn_predict_layers"] = facts.extra_layers
    if facts.other_parameters:
        kept["other_parameters"] = facts.other_parameters
    return dict(sorted(kept.items()))


def _values(*, gated: bool) -> dict[str, Any]:
    values: dict[str, Any] = {"global": {"llmd": {"model": {"id": "{{ model.id }}"}}}}
    if gated:
        values["modelserver"] = {"model": {"hf": {"tokenSecret": {"optional": False}}}}
    return values
