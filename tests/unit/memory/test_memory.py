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
    cut_blocks,
    extra_layer_bytes,
    kv_budget,
    kv_bytes_per_sequence,
    kv_bytes_per_token,
    loaded_weight_bytes,
    max_concurrency,
    parameters,
    smallest_tensor_parallelism,
    state_bytes_per_sequence,
    torch_peak_bytes,
    undivided_heads,
    usable_bytes,
    weight_bytes,
    weight_bytes_per_gpu,
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
FACETS = {
    "openai/gpt-oss-20b": "gpt-oss-20b",
    "Qwen/Qwen3-0.6B": "qwen3-0.6b",
    "mistralai/Mistral-Small": "mistral-small",
}


def facet(name: str) -> ModelFacts:
    return ModelFacts.from_facts(Catalog.load([assets.paths()]).facet("model", name).facts)


@pytest.mark.parametrize("row", [row for row in MEASURED if row["model"] in FACETS], ids=lambda row: row["model"])
def test_the_ledger_of_shipped_models(row: dict[str, str]) -> None:
    """As below, for models whose numbers come from their facets. Mistral's number of sequences is not published."""
    model, total = facet(FACETS[row["model"]]), float(row["gpu_total_gib"])
    budget = kv_budget(model, usable=round(total * GIB), tensor=1, utilisation=float(row["util_that_fits"]))
    assert budget.weights / GIB == pytest.approx(float(row["weights_gib"]), rel=0.02)
    if row["model"] not in OUTLIERS:
        assert budget.kv / GIB == pytest.approx(float(row["kv_gib"]), rel=0.02)


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
        "deepseek-ai/DeepSeek-R1 with a context of 4096 tokens does not fit on 8 accelerators of 80 GiB: 12.7 GiB"
        " are missing on each."
    )


def test_devices_that_come_together_are_taken_together() -> None:
    fit = smallest_tensor_parallelism(facet("qwen3-0.6b"), memory_mib=24576, count_per_node=64, least=4)
    assert isinstance(fit, TensorFit)
    assert fit.tensor == 4
    few = smallest_tensor_parallelism(facet("qwen3-0.6b"), memory_mib=24576, count_per_node=2, least=4)
    assert isinstance(few, DoesNotFit)
    assert few.reason == "4 accelerators come together, and a node has fewer."


def test_heads_bound_tensor_parallelism() -> None:
    config = {**GOLDEN["configs"]["Qwen/Qwen3-32B"], "num_attention_heads": 6, "num_key_value_heads": 6}
    fit = smallest_tensor_parallelism(ModelFacts.from_config(config, max_model_len=1), memory_mib=L4, count_per_node=8)
    assert isinstance(fit, DoesNotFit)
    assert "on 2 accelerators" in fit.reason  # 4 does not divide 6


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


@pytest.mark.parametrize(
    ("name", "published"),
    [  # all stored parameters, those for multi-token prediction included, as the hub counts them
        ("gemma-3-27b", 27_432_406_640),
        ("glm-5", 753_864_139_008),
        ("kimi-k2", 1_026_408_232_448),
        ("llama-4-scout", 108_641_793_536),
        ("mistral-small", 24_011_361_280),
        ("qwen3-0.6b", 596_049_920),
    ],
)
def test_parameters_of_shipped_models_as_published(name: str, published: int) -> None:
    stated = Catalog.load([assets.paths()]).facet("model", name).facts
    plain = {key: value for key, value in stated["config"].items() if key != "quantization"}
    model = ModelFacts.from_facts({**stated, "config": plain, "weight_bytes": 0})
    assert parameters(model) + extra_layer_bytes(model) / 2 == pytest.approx(published, rel=1e-6)


@pytest.mark.parametrize("name", ["deepseek-r1", "deepseek-v3.1", "glm-5"])
def test_a_download_holds_the_layer_for_multi_token_prediction(name: str) -> None:
    stated = Catalog.load([assets.paths()]).facet("model", name).facts
    model = ModelFacts.from_facts(stated)
    assert model.stored_bytes + extra_layer_bytes(model) == pytest.approx(stated["download_bytes"], rel=1e-4)


QWEN35 = {  # Qwen3.5-397B-A17B
    "architectures": ["Qwen3_5MoeForConditionalGeneration"], "hidden_size": 4096, "num_hidden_layers": 60,
    "layer_types": {"linear_attention": 45, "full_attention": 15}, "num_attention_heads": 32, "num_key_value_heads": 2,
    "head_dim": 256, "vocab_size": 248320, "num_experts": 512, "num_experts_per_tok": 10,
    "moe_intermediate_size": 1024, "shared_expert_intermediate_size": 1024, "linear_num_key_heads": 16,
    "linear_num_value_heads": 64, "linear_key_head_dim": 128, "linear_value_head_dim": 128,
    "linear_conv_kernel_dim": 4, "mtp_num_hidden_layers": 1, "torch_dtype": "bfloat16",
}  # fmt: skip


def test_gated_delta_nets_are_counted_as_published() -> None:
    """792,692,717,952 bytes of text weights, 90 tensors with four bytes each; 6,595,568,128 parameters beside them."""
    model = ModelFacts.from_config(QWEN35)
    assert weight_bytes(model) == pytest.approx(792_692_717_952, abs=20_000)
    assert extra_layer_bytes(model) / 2 == pytest.approx(6_595_568_128, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "kv_dtype", "token"),
    [
        ("deepseek-r1", "auto", 61 * 576 * 2),
        ("deepseek-r1", "fp8", 61 * 576),
        ("deepseek-v3.2", "auto", 61 * (576 * 2 + 132)),
        ("deepseek-v3.2", "fp8", 61 * (656 + 132)),
    ],
)
def test_latent_cache(name: str, kv_dtype: str, token: int) -> None:
    stated = Catalog.load([assets.paths()]).facet("model", name).facts
    model = ModelFacts.from_facts({**stated, "kv_cache_dtype": kv_dtype})
    assert [kv_bytes_per_token(model, tensor=tensor) for tensor in (1, 8)] == [token, token]


def test_a_vision_tower_is_reckoned_from_its_configuration() -> None:
    """Within a percent of the model: 423 million parameters of Gemma 3, 411 million by the blocks alone."""
    text = {"hidden_size": 5376, "num_hidden_layers": 2, "num_attention_heads": 32, "vocab_size": 10}
    vision = {"hidden_size": 1152, "num_hidden_layers": 27, "intermediate_size": 4304}
    model = ModelFacts.from_config({"text_config": text, "vision_config": vision})
    assert model.other_parameters == pytest.approx(423_060_336, rel=0.03)


@pytest.mark.parametrize(
    ("name", "tensor", "whole", "said"),
    [
        ("qwen3-235b-a22b-fp8", 4, False, None),
        ("qwen3-235b-a22b-fp8", 8, False, "tensor parallelism 8 cuts an expert of Qwen/Qwen3-235B-A22B-FP8, 1536 wide"),
        ("qwen3-coder-480b-fp8", 8, False, "expert parallelism keeps experts whole"),
        ("qwen3-coder-480b-fp8", 8, True, None),
        ("deepseek-r1", 16, False, None),
        ("deepseek-r1", 32, True, "cuts the shared expert"),
        ("qwen3-32b", 64, False, None),  # not quantized
    ],
)
def test_quantization_blocks(name: str, tensor: int, *, whole: bool, said: str | None) -> None:
    found = cut_blocks(facet(name), tensor=tensor, whole_experts=whole)
    assert (found is None) == (said is None)
    assert said is None or said in (found or "")


@pytest.mark.parametrize(
    ("name", "tensor", "said"),
    [
        ("qwen3-32b", 8, None),
        ("qwen3-235b-a22b", 8, None),  # four KV heads are copied
        ("qwen3-32b", 6, "does not divide the 64 attention heads"),
        ("llama-4-scout", 5, "is neither a divisor nor a multiple of the 8 KV heads"),
        ("deepseek-r1", 16, None),
    ],
)
def test_heads(name: str, tensor: int, said: str | None) -> None:
    found = undivided_heads(facet(name), tensor=tensor)
    assert (found is None) == (said is None)
    assert said is None or said in (found or "")


def test_no_tensor_parallelism_that_cuts_blocks_is_chosen() -> None:
    """Four H200 hold the FP8 weights of the 480B coder but not a long context beside them; eight cut its experts."""
    model = facet("qwen3-coder-480b-fp8")
    fit = smallest_tensor_parallelism(model, memory_mib=H200, count_per_node=8)
    assert isinstance(fit, TensorFit)
    assert fit.tensor == 8
    stated = Catalog.load([assets.paths()]).facet("model", "qwen3-coder-480b-fp8").facts
    split = ModelFacts.from_facts({**stated, "expert_parallel": False})
    refused = smallest_tensor_parallelism(split, memory_mib=H200, count_per_node=8)
    assert isinstance(refused, DoesNotFit)
    assert refused.reason.startswith("tensor parallelism 8 cuts an expert")


def test_a_share_means_something_else_in_each_engine() -> None:
    model, usable = facet("qwen3-32b"), usable_bytes(H200)
    vllm, sglang, trtllm = (
        kv_budget(model, usable=usable, tensor=2, utilisation=0.9, engine=engine)
        for engine in ("vllm", "sglang", "trtllm")
    )
    assert sglang.kv - vllm.kv == vllm.torch_peak
    assert sglang.torch_peak == 0
    free = usable - trtllm.weights - trtllm.torch_peak - trtllm.other
    assert trtllm.kv == round(0.9 * free)
    assert vllm.spare == usable - round(0.9 * usable) - GIB


def test_experts_are_shared_by_all_ranks() -> None:
    model = facet("deepseek-r1")
    alone, wide = (weight_bytes_per_gpu(model, tensor=1, data=data) for data in (1, 16))
    assert alone == loaded_weight_bytes(model)
    assert wide / GIB == pytest.approx(55.8, rel=0.01)  # DEP16 on H200


def test_concurrency() -> None:
    model = facet("llama-3.1-8b")
    budget = kv_budget(model, usable=round(79.18 * GIB), tensor=1, utilisation=0.9)
    assert max_concurrency(model, budget, tokens=131072) == 3  # 421 k tokens
    assert max_concurrency(model, budget, tokens=1024) == 411
    assert max_concurrency(model, budget, tokens=1024, sequences=256) == 256
    full = kv_budget(model, usable=GIB, tensor=1, utilisation=0.9)
    assert max_concurrency(model, full, tokens=1) == 0
