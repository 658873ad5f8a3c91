"""A node block shows what a real node of that accelerator shows, and agrees with the facts beside it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.unit.paths import data

ACCELERATORS = data.facets("accelerator")
# MiB of one accelerator and the label that names it, as NVML and AMD's driver report them.
KNOWN = {
    "a100-40gb": (40960, "NVIDIA-A100-SXM4-40GB"),
    "a100-80gb": (81920, "NVIDIA-A100-SXM4-80GB"),
    "a10g": (23028, "NVIDIA-A10G"),
    "b200": (183359, "NVIDIA-B200"),
    "b300": (275040, "NVIDIA-B300-SXM6-AC"),
    "gb200": (189471, "NVIDIA-GB200"),
    "gb300": (284208, "NVIDIA-GB300"),
    "h100": (81559, "NVIDIA-H100-80GB-HBM3"),
    "h100-nvl": (95830, "NVIDIA-H100-NVL"),
    "h100-pcie": (81559, "NVIDIA-H100-PCIe"),
    "h20": (97871, "NVIDIA-H20"),
    "h200": (143771, "NVIDIA-H200"),
    "l4": (23034, "NVIDIA-L4"),
    "l40s": (46068, "NVIDIA-L40S"),
    "mi300x": (196592, "74a1"),
    "mi325x": (262128, "74a5"),
    "mi355x": (294896, "75a3"),
    "rtx-pro-6000": (97887, "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition"),
}
# GiB of one device, by the makers' data sheets: no node says it.
NOMINAL = {
    "cpu": 0,
    "gaudi2": 96,
    "gaudi3": 128,
    "inf2": 16,
    "tpu-v5e": 16,
    "tpu-v5p": 95,
    "tpu-v6e": 32,
    "tpu-v7x": 96,
    "trn2": 24,
    "xpu-b60": 24,
    "xpu-max1550": 128,
}


@pytest.fixture(params=sorted(ACCELERATORS))
def facet(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = ACCELERATORS[request.param]
    return found


def test_every_accelerator_is_known_here() -> None:
    assert set(KNOWN) | set(NOMINAL) == set(ACCELERATORS)


def test_counts_agree(facet: dict[str, Any]) -> None:
    facts, node = facet["facts"], facet["node"]
    assert node["count_per_node"] == facts["count_per_node"]
    if facts["resource"]:
        for part in ("capacity", "allocatable"):
            devices = int(node[part][facts["resource"]]) * facts.get("devices_per_unit", 1)
            assert devices == facts["count_per_node"]
    else:
        assert facts["count_per_node"] == 0
        assert not [name for name in node["capacity"] if name.endswith("/gpu")]


def test_labels_agree_with_facts(facet: dict[str, Any]) -> None:
    labels, facts = facet["node"]["labels"], facet["facts"]
    match facts["vendor"]:
        case "nvidia":
            assert (facts["memory_mib"], labels["nvidia.com/gpu.product"]) == KNOWN[facet["name"]]
            assert labels["nvidia.com/gpu.memory"] == str(facts["memory_mib"])
            assert labels["nvidia.com/gpu.count"] == str(facts["count_per_node"])
            full = labels["nvidia.com/cuda.driver-version.full"].split(".")
            parts = ("major", "minor", "revision")
            assert [labels[f"nvidia.com/cuda.driver-version.{part}"] for part in parts] == full
            # The engine images are built with CUDA 13, which asks for driver 580.
            assert int(full[0]) >= 580
        case "amd":
            assert (facts["memory_mib"], labels["amd.com/gpu.device-id"]) == KNOWN[facet["name"]]
            assert labels["amd.com/gpu.vram"] == f"{round(facts['memory_mib'] / 1024)}G"
        case _:
            assert facts["memory_mib"] == NOMINAL[facet["name"]] * 1024


def test_facts_of_nvidia_agree_with_labels(facet: dict[str, Any]) -> None:
    labels, facts = facet["node"]["labels"], facet["facts"]
    capability = facts.get("compute_capability")
    if capability:
        assert f"{labels['nvidia.com/gpu.compute.major']}.{labels['nvidia.com/gpu.compute.minor']}" == capability
    assert facts.get("arch", "amd64") == labels["kubernetes.io/arch"]


def test_a_generic_cluster_finds_the_node_it_asks_for(facet: dict[str, Any]) -> None:
    wanted = dict(facet["values"]["modelserver"]["roleDefaults"].get("nodeSelector", {}))
    for block in facet.get("when", ()):
        if "generic" in data.as_list(block["match"].get("platform", [])):
            wanted |= block["values"]["modelserver"]["roleDefaults"]["nodeSelector"]
    assert wanted, "pods would land on any accelerator"
    assert wanted.items() <= facet["node"]["labels"].items()


PLATFORMS = set(data.facets("platform"))


def test_on_no_platform_a_pod_lands_on_another_accelerator(facet: dict[str, Any]) -> None:
    """Either a label chooses the nodes, or the platform is refused."""
    refused = {
        name
        for entry in facet.get("excludes", ())
        if set(entry["match"]) == {"platform"}
        for name in data.as_list(entry["match"]["platform"])
    }
    chosen = set(PLATFORMS) if facet["values"]["modelserver"]["roleDefaults"].get("nodeSelector") else set()
    for block in facet.get("when", ()):
        defaults = block["values"].get("modelserver", {}).get("roleDefaults", {})
        if defaults.keys() & {"nodeSelector", "affinity"}:
            chosen |= set(data.as_list(block["match"].get("platform", [])))
    for name, platform in data.facets("platform").items():
        for block in platform.get("when", ()):
            selects = "nodeSelector" in block.get("values", {}).get("modelserver", {}).get("roleDefaults", {})
            if selects and facet["name"] in data.as_list(block["match"].get("accelerator", [])):
                chosen.add(name)
    assert chosen | refused == PLATFORMS


def test_pods_tolerate_the_node(facet: dict[str, Any]) -> None:
    tolerated = facet["values"]["modelserver"]["roleDefaults"].get("tolerations", {}).values()
    for taint in facet["node"]["taints"]:
        assert {"key": taint["key"], "operator": "Exists", "effect": taint["effect"]} in tolerated


def test_a_node_offers_no_more_than_it_has(facet: dict[str, Any]) -> None:
    capacity, allocatable = facet["node"]["capacity"], facet["node"]["allocatable"]
    assert set(capacity) == set(allocatable)
    assert {"cpu", "memory", "ephemeral-storage", "pods"} <= set(capacity)
    for name in capacity:
        assert data.quantity(allocatable[name]) <= data.quantity(capacity[name]), name


def test_labels_are_text_and_say_where_they_are_from(facet: dict[str, Any]) -> None:
    node = facet["node"]
    assert node["provenance"].strip().endswith(".")
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{0,63}", value) for value in node["labels"].values())
    assert list(node["labels"]) == sorted(node["labels"])
