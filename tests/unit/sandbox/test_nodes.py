from __future__ import annotations

import pytest

from llmdctl import assets
from llmdctl.errors import UsageError
from llmdctl.sandbox.nodes import SimulatedNodes, node_from_facet, parse_counts
from tests import documents

TEMPLATE = {
    "count_per_node": 8,
    "labels": {"nvidia.com/gpu.count": 8, "kubernetes.io/arch": "arm64"},
    "taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}],
    "capacity": {"cpu": 96, "nvidia.com/gpu": "8"},
    "allocatable": {"cpu": "95500m"},
    "system": {"kernelVersion": "6.8.0", "architecture": "arm64"},
}
FACETS = sorted((assets.paths() / "facets" / "accelerators").glob("*.yaml"))


def node(template=TEMPLATE, **options):
    return node_from_facet(template, 3, accelerator="h200", kubelet_port=10250, **options)


def test_the_facet_decides():
    made = node()
    assert made["metadata"]["name"] == "h200-3"
    assert made["metadata"]["labels"]["nvidia.com/gpu.count"] == "8"
    assert made["metadata"]["labels"]["kubernetes.io/hostname"] == "h200-3"
    assert made["spec"]["taints"] == TEMPLATE["taints"]
    assert made["status"]["capacity"]["cpu"] == "96"
    assert made["status"]["allocatable"]["cpu"] == "95500m"
    assert made["status"]["allocatable"]["nvidia.com/gpu"] == "8", "what is not listed is allocatable as a whole"
    assert made["status"]["nodeInfo"]["kernelVersion"] == "6.8.0"
    assert made["status"]["nodeInfo"]["architecture"] == made["metadata"]["labels"]["kubernetes.io/arch"] == "arm64"


def test_logs_can_be_asked_for():
    status = node()["status"]
    assert {"type": "InternalIP", "address": "127.0.0.1"} in status["addresses"]
    assert status["daemonEndpoints"] == {"kubeletEndpoint": {"Port": 10250}}


def test_a_fabric_adds_its_resource():
    status = node(extra_allocatable={"rdma/ib": "8"})["status"]
    assert status["capacity"]["rdma/ib"] == status["allocatable"]["rdma/ib"] == "8"


def test_an_empty_template_is_a_plain_node():
    made = node({})
    assert made["spec"]["taints"] == []
    assert made["status"]["allocatable"]["pods"] == "110"


def test_nodes_are_numbered():
    group = SimulatedNodes(accelerator="l4", count=3, template={})
    assert [item["metadata"]["name"] for item in group.objects(1)] == ["l4-0", "l4-1", "l4-2"]


@pytest.mark.parametrize("file", FACETS, ids=lambda file: file.stem)
def test_every_accelerator_facet_makes_a_node_of_strings(file):
    facet = documents.load(file.read_text())
    made = node_from_facet(facet["node"], 0, accelerator=facet["name"], kubelet_port=1)
    values = [made["metadata"]["labels"], made["status"]["capacity"], made["status"]["allocatable"]]
    assert all(isinstance(value, str) for mapping in values for value in mapping.values())
    assert made["status"]["allocatable"]["pods"]
    resource = facet["facts"]["resource"]
    if resource:
        devices_per_unit = facet["facts"].get("devices_per_unit", 1)  # a TPU chip may be two devices
        units = facet["node"]["count_per_node"] // devices_per_unit
        assert made["status"]["allocatable"][resource] == str(units)


def test_counts():
    assert parse_counts("h200=2, l4=4,cpu") == {"h200": 2, "l4": 4, "cpu": 1}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no node is asked for"),
        ("h200=", "'h200=' is not a number of nodes"),
        ("h200=two", "'h200=two' is not a number of nodes"),
        ("h200=1,h200=2", "'h200=2' is not a number of nodes"),
        ("=3", "'=3' is not a number of nodes"),
        ("h200=0", "1 to 500 nodes"),
        ("h200=501", "1 to 500 nodes"),
    ],
)
def test_counts_that_cannot_be_read(text, complaint):
    with pytest.raises(UsageError, match=complaint):
        parse_counts(text)
