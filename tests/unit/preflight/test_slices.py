"""ResourceSlices of every version as one shape; a pool of which a part is missing is not counted on."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest

from llmdctl.preflight.slices import by_node, pools

DEVICE = {
    "attributes": {
        "productName": {"string": "NVIDIA H200"},
        "gpu.nvidia.com/driverVersion": {"version": "580.126.9"},
        "resource.kubernetes.io/pcieRoot": {"string": "pci0000:00"},
        "ecc": {"bool": True},
        "index": {"int": 0},
    },
    "capacity": {"memory": {"value": "143771Mi"}},
    "taints": [{"key": "gpu.nvidia.com/xid", "effect": "NoSchedule"}],
}
V1ALPHA = {**DEVICE, "capacity": {"memory": "143771Mi"}}
SHAPES = {
    "v1": {"name": "gpu-0", **DEVICE},
    "v1beta2": {"name": "gpu-0", **DEVICE},
    "v1beta1": {"name": "gpu-0", "basic": DEVICE},
    "v1alpha3": {"name": "gpu-0", "basic": V1ALPHA},
}


def item(name: str, *devices: Mapping[str, Any], generation: int = 1, count: int = 1, **spec: Any) -> Mapping[str, Any]:
    where = {} if spec else {"nodeName": "n1"}
    pool = {"name": "n1", "generation": generation, "resourceSliceCount": count}
    body = {"driver": "gpu.nvidia.com", "pool": pool, "devices": list(devices)}
    return {"kind": "ResourceSlice", "metadata": {"name": name}, "spec": {**body, **where, **spec}}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_version_says_the_same(shape: Mapping[str, Any]) -> None:
    (device,) = by_node([item("a", shape)])["n1"]
    assert device.identity == ("gpu.nvidia.com", "n1", "gpu-0")
    assert device.attributes == {
        "productName": "NVIDIA H200",
        "driverVersion": "580.126.9",
        "resource.kubernetes.io/pcieRoot": "pci0000:00",
        "ecc": True,
        "index": 0,
    }
    assert device.capacity == {"memory": Fraction(143771 * 2**20)}
    assert [taint["key"] for taint in device.taints] == ["gpu.nvidia.com/xid"]


def test_only_the_newest_generation_counts() -> None:
    old, new = item("a", {"name": "gpu-0"}, {"name": "gpu-1"}), item("b", {"name": "gpu-0"}, generation=2)
    assert [device.name for device in by_node([old, new])["n1"]] == ["gpu-0"]


def test_an_incomplete_pool_is_known_and_not_counted() -> None:
    half = item("a", {"name": "gpu-0"}, count=2)
    (pool,) = pools([half])
    assert (pool.complete, len(pool.devices), pool.nodes) == (False, 1, {"n1"})
    assert by_node([half]) == {"n1": ()}
    assert len(by_node([half, item("b", {"name": "gpu-1"}, count=2)])["n1"]) == 2


def test_a_device_may_name_its_node_itself() -> None:
    shared = item("a", {"name": "x", "nodeName": "n2"}, {"name": "y"}, perDeviceNodeSelection=True)
    assert {node: [d.name for d in found] for node, found in by_node([shared]).items()} == {"n2": ["x"]}


def test_a_slice_for_all_nodes_belongs_to_none() -> None:
    assert by_node([item("a", {"name": "x"}, allNodes=True)]) == {}
