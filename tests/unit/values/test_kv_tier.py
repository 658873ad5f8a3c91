"""Sizes of a KV cache tier: what the node can give, what the scheduler may reckon with, who wins."""

from __future__ import annotations

import pytest

from llmdctl import assets
from llmdctl.errors import RecipeError
from llmdctl.memory import ModelFacts
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import Catalog, compose
from llmdctl.values import complete
from llmdctl.values.kv_tier import (
    bytes_per_token,
    cpu_bytes_per_accelerator,
    disk_bytes_per_accelerator,
)

GIB = 2**30


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    return Catalog.load([assets.paths()])


def completed(catalog: Catalog, *sets: str, path: str = "optimized-baseline", **facets: str):
    return complete(compose(catalog, Selection(path=path, **facets), Overrides(sets=sets)))


@pytest.mark.parametrize(
    ("node", "accelerators", "share", "reserved", "gib"),
    [
        (1600, 8, 0.75, 48, 102),  # 1600 x 0.75 / 8 - 48
        (1600, 8, 0.75, 200, 0),  # what the pod needs beside it leaves nothing
        (100, 1, 0.333, 0, 33),  # whole GiB, never more than there is
    ],
)
def test_main_memory(node: int, accelerators: int, share: float, reserved: int, gib: int) -> None:
    size = cpu_bytes_per_accelerator(
        node_bytes=node * GIB, accelerators=accelerators, share=share, reserved_bytes=reserved * GIB
    )
    assert size == gib * GIB


def test_disk_leaves_room_for_the_weights_and_for_files_that_lie_twice() -> None:
    size = disk_bytes_per_accelerator(node_bytes=880 * GIB, accelerators=8, share=1.0, reserved_bytes=33 * GIB)
    assert size == 70 * GIB  # (110 - 33) / 1.1


def test_tokens(shipped: Catalog) -> None:
    model = ModelFacts.from_facts(shipped.facet("model", "qwen3-32b").facts)
    assert bytes_per_token(model, tensor=1) == 64 * 2 * 8 * 128 * 2  # layers, keys and values, heads, width, bytes
    assert bytes_per_token(model, tensor=8) == bytes_per_token(model, tensor=1)
    assert bytes_per_token(model, tensor=16) == 2 * bytes_per_token(model, tensor=1)  # eight heads lie twice


def test_the_tier_follows_the_node(shipped: Catalog) -> None:
    server = completed(shipped, kv_tier="cpu")["modelserver"]
    # H200: 1,864,000 MiB x 0.75 / 8 GPUs, less the path's 96 GiB on 2 GPUs.
    assert server["roleDefaults"]["kvTier"]["cpuBytesPerAccelerator"] == 122 * GIB
    assert server["sizing"]["nodeMemoryBytes"] == 1864000 * 2**20
    assert server["sizing"]["nodeMemoryBytes"] > (2 * 122 + 96) * 4 * GIB


def test_no_tier_computes_nothing(shipped: Catalog) -> None:
    server = completed(shipped)["modelserver"]
    assert "kvTier" not in server["roleDefaults"]
    assert "nodeMemoryBytes" not in server["sizing"]


@pytest.mark.parametrize(
    "setting",
    [
        "modelserver.roleDefaults.kvTier.cpuBytes=1073741824",
        "modelserver.roles.aggregate.kvTier.cpuBytesPerAccelerator=1073741824",
    ],
)
def test_the_users_size_wins(shipped: Catalog, setting: str) -> None:
    server = completed(shipped, setting, kv_tier="cpu")["modelserver"]
    assert "cpuBytesPerAccelerator" not in server["roleDefaults"]["kvTier"]


def test_a_tier_of_prefill_alone_reckons_with_prefill(shipped: Catalog) -> None:
    values = completed(shipped, path="pd-disaggregation", kv_tier="cpu")["modelserver"]
    assert values["roles"]["decode"]["kvConnectors"] == {"offloading": None}
    assert set(values["roleDefaults"]["kvConnectors"]) == {"nixl", "offloading"}
    # 64 GiB of a prefill pod on its one GPU.
    assert values["roleDefaults"]["kvTier"]["cpuBytesPerAccelerator"] == 106 * GIB


def test_a_tier_counted_in_blocks_knows_the_model(shipped: Catalog) -> None:
    values = completed(shipped, kv_tier="cpu", accelerator="tpu-v6e")
    assert values["modelserver"]["roleDefaults"]["kvTier"]["bytesPerToken"] == 262144
    assert values["global"]["llmd"]["blockSize"] == 128


def test_a_node_without_room_is_refused_with_the_key(shipped: Catalog) -> None:
    with pytest.raises(RecipeError) as caught:
        completed(shipped, "modelserver.roles.aggregate.resources.requests.memory=900Gi", kv_tier="cpu")
    problem = caught.value.problems[0]
    assert problem.path == "modelserver.roleDefaults.kvTier.cpuBytesPerAccelerator"
    assert problem.message == "the memory of a node with h200 leaves no room for the tier."
    assert problem.remedy


@pytest.mark.parametrize(("sets", "bytes_"), [((), 2 * 122 * GIB), (("scheduler.prefixCache.tiers.cpu.bytes=7",), 7)])
def test_the_scheduler_reckons_with_the_tier_of_one_pod(shipped: Catalog, sets: tuple[str, ...], bytes_: int) -> None:
    index = completed(shipped, *sets, kv_tier="cpu")["scheduler"]["prefixCache"]
    assert index["tiers"]["cpu"]["bytes"] == bytes_
    assert index.get("kvBytesPerToken") == (None if sets else 64 * 2 * 8 * 128 * 2)
