"""What resources of RDMA cards mean, for the names of the platforms that recipes name."""

from __future__ import annotations

import pytest

from llmdctl.preflight.node import Node
from llmdctl.preflight.rdma import meaning, offered
from tests.unit.preflight.cases import catalog


@pytest.mark.parametrize(
    ("resource", "shared"),
    [
        ("rdma/ib", True),
        ("rdma/roce_gdr", True),
        ("rdma/shared_ib", True),
        ("rdma/hca_shared_devices_a", True),
        ("rdma/rdma_shared_device_a", True),
        ("nvidia.com/hostdev", False),
        ("nvidia.com/sriov-rdma-vf", False),
        ("nvidia.com/mlnxnics", False),
        ("openshift.io/mlnxnics", False),
        ("vpc.amazonaws.com/efa", False),
        ("networking.gke.io.networks/rdma-0", False),
        ("networking.gke.io.networks/rdma-0.IP", False),
    ],
)
def test_known_resources(resource: str, shared: bool) -> None:
    found = meaning(resource)
    assert found is not None
    assert found.shared is shared
    assert found.source.startswith("https://")


@pytest.mark.parametrize(
    "resource", ["nvidia.com/gpu", "cpu", "networking.gke.io.networks/gvnic-1.IP", "hugepages-2Mi"]
)
def test_what_is_no_card(resource: str) -> None:
    assert meaning(resource) is None


def test_every_resource_that_a_fabric_names_is_known() -> None:
    loaded = catalog()
    named = {name: loaded.facet("fabric", name).facts.get("resource") for name in loaded.names("fabric")}
    assert {name: each for name, each in named.items() if each and meaning(each) is None} == {}


def test_a_node_offers_what_only_looks_like_a_card_too() -> None:
    allocatable = {"cpu": "8", "rdma/ib": "8", "rdma/none": "0", "example.com/mlnx_sriov": "4", "nvidia.com/gpu": "8"}
    node = Node(item={"metadata": {"name": "n"}, "status": {"allocatable": allocatable}})
    assert set(offered(node)) == {"rdma/ib", "example.com/mlnx_sriov"}
