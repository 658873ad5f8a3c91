"""A model facet from a config.json: it says what the file says, and composes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llmdctl import assets
from llmdctl.cli import main
from llmdctl.errors import RecipeError
from llmdctl.memory import ModelFacts
from llmdctl.model.selection import Selection
from llmdctl.recipe import Catalog, compose, model_facet
from llmdctl.recipe.own_model import slug
from llmdctl.recipe.reader import parse, read
from llmdctl.recipe.schema import load, problems_of
from llmdctl.values import to_yaml

CONFIG = Path(__file__).parent / "data" / "own-model" / "config.json"
PLAIN = json.loads(CONFIG.read_text())
SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "vocab_size": 10,
    "intermediate_size": 128,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "dense": PLAIN,
    "without optional numbers": SMALL,
    "mixture of experts": {**SMALL, "num_local_experts": 8, "num_experts_per_tok": 2},
    "every sixth layer": {**SMALL, "num_hidden_layers": 6, "sliding_window": 16, "sliding_window_pattern": 6},
    "a window that is off": {**SMALL, "sliding_window": 16, "use_sliding_window": False},
    "latent attention": {
        **SMALL, "kv_lora_rank": 16, "q_lora_rank": None, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8,
        "n_routed_experts": 8, "n_shared_experts": 1, "moe_intermediate_size": 32, "num_experts_per_tok": 2,
        "first_k_dense_replace": 1, "num_nextn_predict_layers": 1, "index_head_dim": 8, "index_n_heads": 2,
        "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
    },
    "layers with a state": {
        **SMALL, "layer_types": ["linear_attention", "full_attention"] * 2, "linear_num_key_heads": 2,
        "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8, "linear_conv_kernel_dim": 4,
    },
    "Mamba": {
        **SMALL, "hybrid_override_pattern": "M*ME", "mamba_num_heads": 4, "mamba_head_dim": 8, "ssm_state_size": 16,
        "n_groups": 1, "conv_kernel": 4,
    },
    "images": {
        "text_config": SMALL, "architectures": ["Gemma3ForConditionalGeneration"],
        "vision_config": {"hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64},
    },
}  # fmt: skip


def facet_of(config: dict[str, Any], **more: Any) -> dict[str, Any]:
    return model_facet(parse(json.dumps(config).encode(), "config.json"), id="my-company/My_Model", **more)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_facet_means_what_the_configuration_means(name: str) -> None:
    facet = facet_of(CONFIGS[name])
    document = parse(to_yaml(facet).encode(), "my-model.yaml")
    assert problems_of(document, load(assets.schemas() / "facet.schema.json")) == []
    stored = facet["facts"]["weight_bytes"]
    wanted = ModelFacts.from_config(CONFIGS[name], name="my-company/My_Model", stored_bytes=stored)
    found = ModelFacts.from_facts(document.value["facts"])
    for field in ModelFacts.__dataclass_fields__:
        if field != "max_model_len" or wanted.max_model_len:
            assert getattr(found, field) == getattr(wanted, field), field


def test_what_is_said_wins() -> None:
    facet = facet_of(PLAIN, stored_bytes=17, max_model_len=8192, gated=True, name="other")
    facts = facet["facts"]
    assert (facet["name"], facts["weight_bytes"], facts["max_model_len"], facts["gated"]) == ("other", 17, 8192, True)
    assert facet["values"]["modelserver"]["model"]["hf"]["tokenSecret"] == {"optional": False}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({**PLAIN, "hidden_size": None}, "the number is missing"),
        ({**PLAIN, "quantization_config": {"quant_method": "awq"}}, "stored as 'awq', for which there is no formula"),
    ],
)
def test_what_is_missing_is_said(config: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as wrong:
        facet_of(config)
    assert message in str(wrong.value.problems[0])


def test_a_name_of_the_hub_is_needed() -> None:
    with pytest.raises(RecipeError) as wrong:
        model_facet(parse(json.dumps(SMALL).encode(), "config.json"))
    assert "--id" in (wrong.value.problems[0].remedy or "")
    named = model_facet(parse(json.dumps({**SMALL, "_name_or_path": "a/B"}).encode(), "config.json"))
    assert (named["name"], named["facts"]["id"]) == ("b", "a/B")


@pytest.mark.parametrize(
    ("model", "name"), [("Qwen/Qwen3-32B", "qwen3-32b"), ("a/My_Model v2", "my-model-v2"), ("a/---", "model")]
)
def test_slug(model: str, name: str) -> None:
    assert slug(model) == name


def test_a_written_facet_is_found_and_composes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.json"
    config.write_text(CONFIG.read_text())
    (tmp_path / "model.safetensors.index.json").write_text(
        '{"metadata": {"total_size": 16381516800}, "weight_map": {}}'
    )
    own = tmp_path / "own"
    assert main(["recipe", "model", str(config), "--id", "my-company/my-model", "--to", str(own)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "--model my-model" in captured.err
    file = own / "facets" / "models" / "my-model.yaml"
    assert read(file).value["facts"]["weight_bytes"] == 16381516800
    recipe = compose(Catalog.load([assets.paths(), own]), Selection(path="optimized-baseline", model="my-model"))
    assert recipe.values["global"]["llmd"]["model"]["id"] == "my-company/my-model"
    assert recipe.role("aggregate") is not None


def test_a_name_that_is_taken_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", "model", str(CONFIG), "--id", "Qwen/Qwen3-32B"]) == 2
    assert "--name" in capsys.readouterr().err
