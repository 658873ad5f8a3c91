"""The KV cache of the simulated engine is what llmdctl computes for the same model on the same accelerator."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from llmdctl import assets
from llmdctl.memory import ModelFacts, RoleLedger, role_ledger
from llmdctl.model.recipe import RoleSpec
from llmdctl.recipe import Catalog
from llmdctl.sandbox.engine import building, capacity
from llmdctl.sandbox.engine.__main__ import read
from llmdctl.sandbox.engine.blocks import BlockPool

ROOT = Path(__file__).resolve().parents[2]
CATALOG = Catalog.load([assets.paths()])
MODELS = {f.facts["id"]: f.facts for f in CATALOG.facets("model") if f.facts.get("weight_bytes")}
MEMORY = {f.name: f.facts["memory_mib"] for f in CATALOG.facets("accelerator") if f.facts.get("memory_mib")}
ACCELERATORS = ("l4", "a100-40gb", "h100", "h200", "b300")
FLAGS = {
    "vllm": ("vllm serve {}", "gpu_memory_utilization"),
    "sglang": ("sglang serve --model-path {}", "mem_fraction_static"),
}


def test_facts_are_those_of_the_facets() -> None:
    script = ROOT / "tools" / "engine_facts.py"
    done = subprocess.run([sys.executable, str(script), "--check"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"run make update: {done.stdout}"


def ledger(facts: Mapping[str, Any], memory_mib: int, tensor: int, engine: str, **args: Any) -> RoleLedger:
    role = RoleSpec(
        name="decode", workload="Deployment", autoscaled=False, replicas=1, tensor=tensor, pipeline=1, data=1, nodes=1,
        max_model_len=facts["max_model_len"],
    )  # fmt: skip
    values = {"modelserver": {"roles": {"decode": {"args": args}}}}
    found = role_ledger(role, {"model": facts, "engine": {"dialect": engine}}, values, memory_mib=memory_mib)
    assert found is not None
    return found


@pytest.mark.parametrize("engine", FLAGS)
@pytest.mark.parametrize("model", MODELS)
def test_the_engine_and_the_ledger_come_to_the_same_tokens(model: str, engine: str) -> None:
    facts, (line, share) = MODELS[model], FLAGS[engine]
    stated = read(line.format(model).split())
    for accelerator, tensor in itertools.product(ACCELERATORS, (1, 2, 8)):
        if ModelFacts.from_facts(facts).heads % tensor:
            continue
        asked = dataclasses.replace(
            stated, tensor=tensor, max_model_len=facts["max_model_len"], stated={**stated.stated, share: 0.85}
        )  # fmt: skip
        expected = ledger(facts, MEMORY[accelerator], tensor, engine, **{share.replace("_", "-"): 0.85})
        environment = {"LLMDCTL_ENGINE_ACCELERATOR": accelerator}
        if expected.budget.kv < expected.sequence_bytes:
            with pytest.raises(capacity.NoRoomError, match="is larger than the available KV cache memory"):
                capacity.room(asked, environment)
            continue
        found = capacity.room(asked, environment)
        assert found is not None
        assert (found.kv_bytes, found.tokens) == (expected.budget.kv, expected.kv_tokens)


def test_a_narrow_cache_holds_more() -> None:
    line = "vllm serve Qwen/Qwen3-32B --tensor-parallel-size 2"
    here = {"LLMDCTL_ENGINE_ACCELERATOR": "h100"}
    wide, narrow = (capacity.room(read(f"{line} {more}".split()), here) for more in ("", "--kv-cache-dtype fp8"))
    assert wide is not None
    assert narrow is not None
    assert narrow.bytes_per_token * 2 == wide.bytes_per_token
    assert narrow.tokens // 2 == pytest.approx(wide.tokens, rel=0.01)


@pytest.mark.parametrize(
    ("words", "environment", "blocks"),
    [
        ("vllm serve somebody/else", {"LLMDCTL_ENGINE_ACCELERATOR": "h100"}, 4096),
        ("vllm serve Qwen/Qwen3-32B", {}, 4096),
        ("vllm serve Qwen/Qwen3-32B", {"LLMDCTL_ENGINE_BLOCKS": "77"}, 77),
        ("vllm serve Qwen/Qwen3-32B --num-gpu-blocks-override 9", {"LLMDCTL_ENGINE_ACCELERATOR": "h100"}, 9),
    ],
)
def test_what_is_stated_or_not_known(words: str, environment: dict[str, str], blocks: int) -> None:
    (api,) = building.build(read(words.split()), environment)
    assert api.ranks[0].engine.pool.count == blocks


def test_a_model_that_leaves_no_room_ends_the_engine_as_it_ends_the_real_one() -> None:
    with pytest.raises(building.BuildError, match="To serve at least one request"):
        building.build(read(["vllm", "serve", "Qwen/Qwen3-32B"]), {"LLMDCTL_ENGINE_ACCELERATOR": "l4"})


def test_a_cache_of_millions_of_blocks_costs_nothing_until_it_is_used() -> None:
    pool = BlockPool(count=10**12, size=1)
    assert pool.free == 10**12
    assert pool.take([], 3) == [0, 1, 2]
    assert pool.free == 10**12 - 3
