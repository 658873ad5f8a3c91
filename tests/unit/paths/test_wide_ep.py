"""Wide expert parallelism, TPU slices and fabrics: what composes, what the numbers are, what is refused."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from llmdctl import assets
from llmdctl.errors import RecipeError
from llmdctl.model.recipe import Recipe
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import Catalog, compose

ELEVEN = {
    "efa": {"platform": "eks"},
    "gke-dra": {"platform": "gke"},
    "gke-multi-network": {"path": "wide-ep", "platform": "gke"},
    "mnnvl": {"accelerator": "gb200"},
    "none": {},
    "oci-sriov": {},
    "openshift-roce": {"platform": "openshift"},
    "rdma-dranet": {},
    "rdma-ib": {},
    "tpu-ici": {"accelerator": "tpu-v6e"},
    "xpu-tcp": {"accelerator": "xpu-b60", "model": "llama-3.1-8b"},
}


@cache
def catalog() -> Catalog:
    return Catalog.load([assets.paths()])


def composed(path: str, *role_settings: str, **chosen: str) -> Recipe:
    return compose(catalog(), Selection(path=path, **chosen), Overrides(role_settings=role_settings))


def server(recipe: Recipe) -> dict[str, Any]:
    return dict(recipe.values["modelserver"])


@pytest.mark.parametrize(
    ("accelerator", "nodes", "ranks", "ports"),
    [("h200", 2, 16, 8), ("b200", 2, 16, 8), ("gb200", 4, 16, 4), ("h100", 4, 32, 8)],
)
def test_ranks_follow_from_nodes(accelerator: str, nodes: int, ranks: int, ports: int) -> None:
    recipe = composed("wide-ep", accelerator=accelerator)
    assert {(role.workload, role.nodes, role.data, role.tensor) for role in recipe.roles} == {
        ("LeaderWorkerSet", nodes, ranks, 1)
    }
    assert recipe.values["global"]["llmd"]["dataParallelLocal"] == ports


def test_one_number_makes_one_role_wider() -> None:
    recipe = composed("wide-ep", "decode.nodes=4")
    decode, prefill = recipe.role("decode"), recipe.role("prefill")
    assert decode is not None
    assert prefill is not None
    assert (decode.nodes, decode.data, prefill.data) == (4, 32, 16)


@pytest.mark.parametrize(
    ("chosen", "decode", "prefill"),
    [
        ({}, "deepep_low_latency", "deepep_high_throughput"),
        ({"platform": "gke"}, "deepep_low_latency", "deepep_high_throughput"),
        ({"platform": "eks"}, None, None),
        ({"accelerator": "gb200"}, None, None),
    ],
)
def test_deepep_only_where_cards_can_be_rung_by_gpus(
    chosen: dict[str, str], decode: str | None, prefill: str | None
) -> None:
    values = server(composed("wide-ep", **chosen))
    assert values["roleDefaults"]["args"]["all2all-backend"] == "allgather_reducescatter"
    roles = values["roles"]
    assert roles["decode"]["args"].get("all2all-backend") == decode
    assert roles["prefill"].get("args", {}).get("all2all-backend") == prefill


@pytest.mark.parametrize(
    ("chosen", "fabric"),
    [
        ({}, "rdma-ib"),
        ({"platform": "gke"}, "gke-multi-network"),
        ({"platform": "eks"}, "efa"),
        ({"platform": "oci"}, "oci-sriov"),
        ({"platform": "openshift"}, "openshift-roce"),
        ({"accelerator": "gb200", "platform": "gke"}, "mnnvl"),
    ],
)
def test_the_fabric_follows_from_the_nodes(chosen: dict[str, str], fabric: str) -> None:
    assert composed("wide-ep", **chosen).facets["fabric"] == fabric


def test_a_kv_cache_over_tcp_is_said_and_experts_over_tcp_are_refused() -> None:
    assert any("TCP" in warning for warning in composed("pd-disaggregation").warnings)
    with pytest.raises(RecipeError, match="known to be bad"):
        composed("wide-ep", fabric="none")


def test_the_eleven_fabrics() -> None:
    assert set(catalog().names("fabric")) == set(ELEVEN)


@pytest.mark.parametrize("fabric", sorted(ELEVEN))
def test_every_fabric_composes_where_it_exists(fabric: str) -> None:
    chosen = {"path": "pd-disaggregation"} | ELEVEN[fabric]
    recipe = composed(**chosen, fabric=fabric)
    facet = catalog().facet("fabric", fabric)
    assert facet.sources
    asked = server(recipe)["roleDefaults"]
    devices = {key: value for key, value in asked.get("fabric", {}).items() if key != "capabilities"}
    interfaces = "networking.gke.io/interfaces" in asked.get("podAnnotations", {})
    # A fast network is asked for in some way; the others say that they are none.
    assert bool(devices or asked.get("claims") or interfaces) == facet.facts["rdma"]


@pytest.mark.parametrize(("accelerator", "budget"), [("tpu-v5e", 512), ("tpu-v6e", 2048), ("tpu-v7x", 4096)])
def test_each_generation_states_its_budget(accelerator: str, budget: int) -> None:
    recipe = composed("tpu-mixed-batching", accelerator=accelerator)
    role = recipe.role("aggregate")
    assert role is not None
    assert (role.tensor, role.nodes) == (8, 1)
    assert server(recipe)["roles"]["aggregate"]["args"]["max-num-batched-tokens"] == budget
    slices = server(recipe)["roleDefaults"]["accelerator"]
    chips = 8 // slices.get("devicesPerUnit", 1)
    assert slices["topologies"][str(chips)]["hosts"] == 1


@pytest.mark.parametrize("accelerator", ["tpu-v5e", "tpu-v5p", "tpu-v6e", "tpu-v7x"])
def test_a_slice_has_as_many_chips_as_its_name_says(accelerator: str) -> None:
    facet = catalog().facet("accelerator", accelerator)
    settings = facet.base.values["modelserver"]["roleDefaults"]["accelerator"]
    per_host = int(facet.node["capacity"]["google.com/tpu"])
    for chips, found in settings["topologies"].items():
        sides = [int(side) for side in found["name"].split("x")]
        product = 1
        for side in sides:
            product *= side
        assert product == int(chips)
        # Hosts of larger slices have four chips, whatever a single host may have.
        assert found["hosts"] == (1 if product <= per_host else product // 4)


def test_tpus_hand_the_kv_cache_over_by_their_own_connector() -> None:
    recipe = composed("pd-disaggregation", accelerator="tpu-v6e")
    values = server(recipe)
    assert recipe.facets["fabric"] == "tpu-ici"
    assert values["roleDefaults"]["kvConnectors"]["nixl"] is None
    assert values["roles"]["prefill"]["kvConnectors"]["tpu"]["kv_role"] == "kv_producer"
    assert values["engine"]["portEnv"]["kvTransfer"] == "TPU_KV_TRANSFER_PORT"
    assert recipe.values["global"]["llmd"]["ports"]["kvTransfer"] == 9100
    with pytest.raises(RecipeError, match="cannot work"):
        composed("pd-disaggregation", accelerator="tpu-v6e", fabric="none")
