"""Tiers of the KV cache beside everything that they must go together with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from llmdctl import assets
from llmdctl.errors import RecipeError
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import Catalog, compose
from llmdctl.values import complete


@cache
def catalog() -> Catalog:
    return Catalog.load([assets.paths()])


def completed(path: str, **facets: str) -> Mapping[str, Any]:
    return complete(compose(catalog(), Selection(path=path, **facets), Overrides()))


@pytest.mark.parametrize("tier", ["cpu", "mooncake", "shared-fs"])
def test_prefill_and_decode_apart_keep_their_transfer_beside_a_tier(tier: str) -> None:
    server = completed("pd-disaggregation", kv_tier=tier)["modelserver"]
    connectors = set(server["roleDefaults"]["kvConnectors"])
    assert "nixl" in connectors
    assert len(connectors) == 2
    dropped = {name for name, value in server["roles"]["decode"]["kvConnectors"].items() if value is None}
    assert dropped == connectors - {"nixl"}, "the tier is where prompts are computed"


@pytest.mark.parametrize("path", ["optimized-baseline", "pd-disaggregation", "multimodal-epd"])
@pytest.mark.parametrize("tier", ["cpu", "mooncake"])
def test_one_block_size_and_one_seed_beside_a_precise_index(path: str, tier: str) -> None:
    values = completed(path, kv_tier=tier, prefix_index="precise")
    llmd = values["global"]["llmd"]
    assert llmd["blockSize"] in (64, 128)
    assert str(llmd["hashSeed"])
    assert llmd["kvEvents"]["enabled"] is True
    assert "blockSize" not in values["modelserver"]["roleDefaults"]


@pytest.mark.parametrize(("tier", "backend"), [("mooncake", "mooncake"), ("lmcache-redis", "redis")])
def test_a_shared_tier_brings_its_store(tier: str, backend: str) -> None:
    values = completed("optimized-baseline", kv_tier=tier)
    assert values["kvstore"] == {"backend": backend, "enabled": True}
    assert values["modelserver"]["roleDefaults"]["kvTier"]["shared"] is True
    assert "prefixCache" not in values["scheduler"], "an index of one pod says nothing of a store that all share"


@pytest.mark.parametrize(
    ("path", "facets", "reason"),
    [
        (
            "optimized-baseline",
            {"kv_tier": "cpu", "accelerator": "cpu", "model": "llama-3.1-8b"},
            "main memory already",
        ),
        ("optimized-baseline", {"kv_tier": "cpu", "engine": "trtllm"}, "vLLM and SGLang"),
        ("optimized-baseline", {"kv_tier": "lmcache-cpu", "engine": "sglang"}, "LMCache"),
        ("optimized-baseline", {"kv_tier": "local-nvme", "accelerator": "gb200"}, "x86_64"),
        ("pd-disaggregation", {"kv_tier": "lmcache-cpu"}, "hybrid KV cache manager"),
        ("pd-disaggregation", {"engine": "trtllm"}, "orchestrator"),
        ("multimodal-epd", {"engine": "sglang"}, "vLLM's encoders"),
        ("multimodal-epd", {"model": "qwen3-32b"}, "images or videos"),
    ],
)
def test_what_cannot_work_says_why(path: str, facets: dict[str, str], reason: str) -> None:
    with pytest.raises(RecipeError) as caught:
        completed(path, **facets)
    said = " ".join([caught.value.message, *(problem.message for problem in caught.value.problems)])
    assert reason in said
