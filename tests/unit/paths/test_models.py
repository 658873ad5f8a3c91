"""Facts of models, computed a second way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.paths import data

MODELS = data.facets("model")


def dense_parameters(config: dict[str, Any]) -> int:
    """Parameters of a dense decoder with grouped-query attention, untied head and two norms a layer."""
    hidden, head = config["hidden_size"], config["head_dim"]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    attention = 2 * hidden * heads * head + 2 * hidden * kv_heads * head
    qk_norm = 2 * head if config["architecture"] == "Qwen3ForCausalLM" else 0
    layer = attention + qk_norm + 3 * hidden * config["intermediate_size"] + 2 * hidden
    return int(config["num_hidden_layers"] * layer + hidden + 2 * config["vocab_size"] * hidden)


@pytest.mark.parametrize("name", ["llama-3.1-8b", "qwen3-32b"])
def test_weight_bytes_of_dense_models_follow_from_the_configuration(name: str) -> None:
    facts = MODELS[name]["facts"]
    assert facts["weight_bytes"] == 2 * dense_parameters(facts["config"])


def test_weight_bytes_of_gpt_oss_follow_from_the_configuration() -> None:
    facts = MODELS["gpt-oss-120b"]["facts"]
    config = facts["config"]
    hidden, width, experts = config["hidden_size"], config["moe_intermediate_size"], config["num_experts"]
    heads, kv_heads, head = config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]
    projections = 2 * hidden * heads * head + 2 * hidden * kv_heads * head
    attention = projections + (heads + 2 * kv_heads) * head + hidden + heads  # biases, and one sink a head
    router = hidden * experts + experts
    biases = experts * (2 * width + hidden)
    layer_bf16 = attention + router + biases + 2 * hidden
    # MXFP4: 4 bits a weight and one shared byte for each 32 weights.
    expert_bytes = experts * 3 * hidden * width * 17 // 32
    layers = config["num_hidden_layers"] * (2 * layer_bf16 + expert_bytes)
    assert facts["weight_bytes"] == layers + 2 * (hidden + 2 * config["vocab_size"] * hidden)
    assert sum(config["layer_types"].values()) == config["num_hidden_layers"]


def test_a_gated_model_wants_a_token() -> None:
    for facet in MODELS.values():
        secret = facet["values"].get("modelserver", {}).get("model", {}).get("hf", {}).get("tokenSecret", {})
        assert (secret.get("optional") is False) == facet["facts"]["gated"]
