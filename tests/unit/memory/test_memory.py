"""Weights, KV cache and the ledger of a GPU against published totals and measurements."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from llmdctl import assets
from llmdctl.memory import (
    DoesNotFit,
    ModelFacts,
    TensorFit,
    kv_budget,
    kv_bytes_per_sequence,
    kv_bytes_per_token,
    loaded_weight_bytes,
    parameters,
    smallest_tensor_parallelism,
    state_bytes_per_sequence,
    torch_peak_bytes,
    usable_bytes,
    weight_bytes,
)
from llmdctl.recipe import Catalog

DATA = Path(__file__).parent / "data"
GOLDEN = json.loads((DATA / "models.json").read_text())
CASES = GOLDEN["cases"]
MEASURED = list(csv.DictReader(line for line in (DATA / "vllm_h100.csv").read_text().splitlines() if line[0] != "#"))
GIB = 2**30
H100, H200, L4 = 81559, 143771, 23034  # MiB, as nvidia-smi names them


def facts(name: str, quantization: str = "", **more: Any) -> ModelFacts:
    return ModelFacts.from_config({**GOLDEN["configs"][name], "quantization": quantization}, name=name, **more)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['model']}-{case['quantization']}-tp{case['tensor']}")
def test_published_totals(case: dict[str, Any]) -> None:
    model = facts(case["model"], case["quantization"])
    tensor = case["tensor"]
    assert parameters(model) == case["parameters"]
    assert weight_bytes(model) == pytest.approx(case["weight_bytes"], rel=1e-6)  # norms of Qwen3 at 16 bits
    assert kv_bytes_per_token(model) == case["kv_bytes_token"]
    assert kv_bytes_per_token(model, tensor=tensor) == case["kv_bytes_token_gpu"]
    assert kv_bytes_per_sequence(model, 4096) == case["kv_bytes_seq_4096"]
    assert kv_bytes_per_sequence(model, 8192) == case["kv_bytes_seq_8192"]


@pytest.mark.parametrize(
    ("config", "total"),
    [  # published totals of further models
        (
            {"architectures": ["LlamaForCausalLM"], "hidden_size": 16384, "num_hidden_layers": 126,
             "vocab_size": 128256, "num_attention_heads": 128, "num_key_value_heads": 8, "intermediate_size": 53248},
            405_853_388_800,
        ),
        (
            {"architectures": ["Qwen3ForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 36, "vocab_size": 151936,
             "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 12288},
            8_190_735_360,
        ),
        (
            {"architectures": ["Qwen3MoeForCausalLM"], "hidden_size": 2048, "num_hidden_layers": 48,
             "vocab_size": 151936, "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128,
             "intermediate_size": 6144, "moe_intermediate_size": 768, "num_experts": 128, "num_experts_per_tok": 8},
            30_532_122_624,
        ),
        (
            {"architectures": ["MixtralForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32,
             "vocab_size": 32000, "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
             "num_local_experts": 8, "num_experts_per_tok": 2},
            46_702_792_704,
        ),
        (
            {"architectures": ["GptOssForCausalLM"], "hidden_size": 2880, "num_hidden_layers": 24,
             "vocab_size": 201088, "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64,
             "intermediate_size": 2880, "num_local_experts": 32, "experts_per_token": 4},
            20_914_757_184,
        ),
    ],
    ids=["Llama-3.1-405B", "Qwen3-8B", "Qwen3-30B-A3B", "Mixtral-8x7B", "gpt-oss-20b"],
)  # fmt: skip
def test_further_published_totals(config: dict[str, Any], total: int) -> None:
    assert parameters(ModelFacts.from_config(config)) == total


@pytest.mark.parametrize("row", MEASURED, ids=lambda row: f"{row['model']}-tp{row['tp']}")
def test_the_ledger_adds_up_as_measured(row: dict[str, str]) -> None:
    """utilisation x usable - weights - peak - other, with the measured parts, is the measured KV cache."""
    parts = float(row["weights_gib"]) + float(row["torch_peak_gib"]) + float(row["non_torch_gib"])
    kv = float(row["util_that_fits"]) * float(row["gpu_total_gib"]) - parts
    assert kv == pytest.approx(float(row["kv_gib"]), abs=0.02)


OUTLIERS = ("mistralai/Mistral-Small",)  # multimodal, with another default of max_num_seqs


@pytest.mark.parametrize("row", [row for row in MEASURED if row["model"] not in OUTLIERS], ids=lambda row: row["model"])
def test_the_peak_follows_the_vocabulary(row: dict[str, str]) -> None:
    config = {"hidden_size": 1, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": int(row["vocab_size"])}
    peak = torch_peak_bytes(ModelFacts.from_config(config), sequences=1024) / GIB
    assert peak == pytest.approx(float(row["torch_peak_gib"]), rel=0.03)


MODELS = {
    "openai/gpt-oss-120b": ("openai/gpt-oss-120b", "mxfp4"),
    "meta-llama/Llama-3.3-70B-FP8": ("meta-llama/Meta-Llama-3.1-70B", "fp8"),  # the same shape
    "meta-llama/Llama-3.1-8B": ("meta-llama/Meta-Llama-3.1-8B", ""),
    "Qwen/Qwen3-32B": ("Qwen/Qwen3-32B", ""),
}


@pytest.mark.parametrize("row", [row for row in MEASURED if row["model"] in MODELS], ids=lambda row: row["model"])
def test_the_ledger_from_the_config_alone(row: dict[str, str]) -> None:
    """Every part within 2 % of the GPU's memory of what vLLM reported, and the weights within 2 % of themselves."""
    model = facts(*MODELS[row["model"]])
    total = float(row["gpu_total_gib"])
    budget = kv_budget(
        model,
        usable=round(total * GIB),
        tensor=int(row["tp"]),
        utilisation=float(row["util_that_fits"]),
        sequences=1024,
    )
    assert budget.weights / GIB == pytest.approx(float(row["weights_gib"]), rel=0.02)
    assert budget.kv / GIB == pytest.approx(float(row["kv_gib"]), abs=0.02 * total)
    assert budget.usable == round(total * GIB)


@pytest.mark.parametrize(
    ("name", "quantization", "tensor", "tokens"),
    [  # tokens of KV cache in vLLM's start log, H100 at 0.9
        ("meta-llama/Meta-Llama-3.1-8B", "", 1, 420_900),
        ("meta-llama/Meta-Llama-3.1-70B", "fp8", 2, 209_700),
        ("Qwen/Qwen3-32B", "", 2, 282_500),
        ("Qwen/Qwen3-32B", "", 1, 18_200),
    ],
)
def test_tokens_as_in_vllms_log(name: str, quantization: str, tensor: int, tokens: int) -> None:
    model = facts(name, quantization)
    budget = kv_budget(model, usable=round(79.18 * GIB), tensor=tensor, utilisation=0.9)
    assert budget.kv / kv_bytes_per_token(model, tensor=tensor) == pytest.approx(tokens, rel=0.02)


@pytest.mark.parametrize(("mib", "gib"), [(H100, 79.18), (H200, 139.8)])
def test_usable_memory(mib: int, gib: float) -> None:
    assert usable_bytes(mib) / GIB == pytest.approx(gib, rel=0.002)


def test_experts_are_padded_in_gpu_memory() -> None:
    model = facts("openai/gpt-oss-120b", "mxfp4")
    assert loaded_weight_bytes(model) / GIB == pytest.approx(64.38, rel=0.005)
    assert weight_bytes(model) / GIB == pytest.approx(60.77, rel=0.001)


def test_the_exact_total_wins_over_the_formula() -> None:
    assert weight_bytes(facts("Qwen/Qwen3-32B", stored_bytes=123)) == 123


def test_windows_bound_a_long_sequence() -> None:
    model = facts("openai/gpt-oss-120b", "mxfp4")
    assert kv_bytes_per_sequence(model, 1000) == 41_582_592
    assert kv_bytes_per_sequence(model, 64) == 64 * kv_bytes_per_token(model)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"sliding_window": 4096, "use_sliding_window": False}, (4, 0, 0)),
        ({"sliding_window": 4096}, (0, 4, 4096)),
        ({"sliding_window": 4096, "sliding_window_pattern": 2}, (2, 2, 4096)),
        ({"layer_types": ["full_attention"] * 4}, (4, 0, 0)),
        ({"layer_types": ["linear_attention", "full_attention"] * 2}, (2, 0, 0)),
        ({}, (4, 0, 0)),
    ],
)
def test_kinds_of_layers(config: dict[str, Any], expected: tuple[int, int, int]) -> None:
    base = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "vocab_size": 10}
    model = ModelFacts.from_config({**base, **config})
    assert (model.full_layers, model.windowed_layers, model.window) == expected


def test_config_nested_and_with_gaps() -> None:
    text = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 10}
    model = ModelFacts.from_config({"text_config": text, "architectures": ["X"], "max_position_embeddings": 7})
    assert (model.head_dim, model.kv_heads, model.max_model_len, model.architecture) == (16, 4, 7, "X")


@pytest.mark.parametrize(
    ("quantization_config", "expected"),
    [({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8_block"), ({"quant_method": "mxfp4"}, "mxfp4")],
)
def test_quantization_of_the_hub(quantization_config: dict[str, Any], expected: str) -> None:
    config = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 10}
    assert ModelFacts.from_config({**config, "quantization_config": quantization_config}).quantization == expected


@pytest.mark.parametrize(
    ("config", "state", "token"),
    [  # Qwen3.5-397B-A17B: 45 layers of gated delta net, 15 of attention; Nemotron-3-Super-120B: 40 of Mamba 2, 8
        (
            {"num_hidden_layers": 60, "layer_types": {"linear_attention": 45, "full_attention": 15},
             "num_key_value_heads": 2, "head_dim": 256, "linear_num_key_heads": 16, "linear_num_value_heads": 64,
             "linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_conv_kernel_dim": 4},
            192_061_440, 30_720,
        ),
        (
            {"num_hidden_layers": 88, "hybrid_override_pattern": "M" * 40 + "*" * 8 + "E" * 40,
             "num_key_value_heads": 2, "head_dim": 128, "mamba_num_heads": 128, "mamba_head_dim": 64,
             "ssm_state_size": 128, "n_groups": 8, "conv_kernel": 4},
            170_229_760, 8_192,
        ),
    ],
    ids=["Qwen3.5-397B-A17B", "Nemotron-3-Super-120B"],
)  # fmt: skip
def test_recurrent_state(config: dict[str, Any], state: int, token: int) -> None:
    model = ModelFacts.from_config({"hidden_size": 4096, "num_attention_heads": 32, "vocab_size": 10, **config})
    assert state_bytes_per_sequence(model) == state
    assert kv_bytes_per_token(model) == token
    assert kv_bytes_per_sequence(model, 100) == state + 100 * token


@pytest.mark.parametrize(
    ("name", "quantization", "memory_mib", "length", "expected"),
    [
        ("Qwen/Qwen3-32B", "", H100, 40960, 2),  # 8 x TP2, as llm-d's guide runs it
        ("Qwen/Qwen3-32B", "", H200, 40960, 1),
        ("Qwen/Qwen3-32B", "", L4, 40960, 4),
        ("openai/gpt-oss-120b", "mxfp4", H200, 131072, 1),
        ("openai/gpt-oss-120b", "mxfp4", H100, 131072, 2),
        ("meta-llama/Meta-Llama-3.1-8B", "", H100, 131072, 1),
        ("meta-llama/Meta-Llama-3.1-8B", "", L4, 131072, 2),
        ("deepseek-ai/DeepSeek-R1", "fp8_block", H200, 32768, 8),
        ("Qwen/Qwen3-235B-A22B", "fp8_block", H200, 32768, 2),
    ],
)
def test_smallest_tensor_parallelism(name, quantization, memory_mib, length, expected) -> None:
    model = facts(name, quantization, max_model_len=length)
    fit = smallest_tensor_parallelism(model, memory_mib=memory_mib, count_per_node=8)
    assert isinstance(fit, TensorFit)
    assert fit.tensor == expected
    assert fit.kv_tokens >= length


def test_what_does_not_fit_says_by_how_much() -> None:
    model = facts("deepseek-ai/DeepSeek-R1", "fp8_block", max_model_len=4096)
    fit = smallest_tensor_parallelism(model, memory_mib=H100, count_per_node=8)
    assert isinstance(fit, DoesNotFit)
    assert fit.reason == (
        "deepseek-ai/DeepSeek-R1 with a context of 4096 tokens does not fit on 8 GPUs of 80 GiB: 12.7 GiB are missing"
        " on each."
    )


def test_heads_bound_tensor_parallelism() -> None:
    config = {**GOLDEN["configs"]["Qwen/Qwen3-32B"], "num_attention_heads": 6, "num_key_value_heads": 6}
    fit = smallest_tensor_parallelism(ModelFacts.from_config(config, max_model_len=1), memory_mib=L4, count_per_node=8)
    assert isinstance(fit, DoesNotFit)
    assert "on 2 GPUs" in fit.reason  # 4 does not divide 6


@pytest.mark.parametrize("name", [facet.name for facet in Catalog.load([assets.paths()]).facets("model")])
def test_shipped_models_weigh_what_their_shape_says(name: str) -> None:
    """The exact total of a facet and the formula over its config agree, so neither is mistyped."""
    stated = Catalog.load([assets.paths()]).facet("model", name).facts
    formula = weight_bytes(ModelFacts.from_facts({**stated, "weight_bytes": 0}))
    assert formula == pytest.approx(stated["weight_bytes"], rel=0.001)


@pytest.mark.parametrize(
    ("model", "data", "gib"),
    [
        # 256 experts of 58 layers: 654.1 GB of 673.2; each rank keeps the attention of its own, 19.1 GB.
        ("deepseek-r1", 1, 626.9),
        ("deepseek-r1", 16, 17.8 + 609.1 / 16),
        ("deepseek-r1", 32, 17.8 + 609.1 / 32),
        ("qwen3-32b", 16, 61.0),  # no experts: every copy is whole
    ],
)
def test_experts_are_split_over_copies_of_the_attention(model: str, data: int, gib: float) -> None:
    shipped = ModelFacts.from_facts(Catalog.load([assets.paths()]).facet("model", model).facts)
    ledger = kv_budget(shipped, usable=usable_bytes(H200), tensor=1, utilisation=0.92, data=data)
    assert ledger.weights / GIB == pytest.approx(gib, abs=0.1)
