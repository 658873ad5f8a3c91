"""What nodes are: a verdict for every node of the fixtures, and the rules of trust between the keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

import pytest

from llmdctl.model.check import NodeSummary
from llmdctl.model.inventory import Seen
from llmdctl.preflight.catalogue import Catalogue
from llmdctl.preflight.identity import devices
from llmdctl.preflight.summaries import summaries
from llmdctl.preflight.verdict import UnknowableError
from tests.unit.preflight.cases import accelerators, catalog
from tests.unit.preflight.nodes import case, documents, node


def gke(cards: int) -> str:
    """What nodes of GKE with several networks offer: one resource for each card."""
    return " ".join(f"networking.gke.io.networks/rdma-{number}.IP=1" for number in range(cards))


class Row(NamedTuple):
    """What is expected of one node; empty: nothing is known, or there is none."""

    facet: str
    product: str
    key: str  # that it is read from
    memory: str  # MiB of one device, and who says so
    devices: str  # resource and count
    rdma: str
    findings: str  # codes


NODES: Final[Mapping[str, Row]] = {
    "eks-p5-48xlarge-h100-default": Row(
        "h100",
        "H100",
        "nvidia.com/gpu.product",
        "81559 nvidia.com/gpu.memory",
        "nvidia.com/gpu 8",
        "vpc.amazonaws.com/efa=32",
        "",
    ),
    "eks-p6-b200-48xlarge-b200": Row(
        "b200",
        "B200",
        "nvidia.com/gpu.product",
        "183359 nvidia.com/gpu.memory",
        "nvidia.com/gpu 8",
        "vpc.amazonaws.com/efa=8",
        "",
    ),
    "eks-p6e-gb200-36xlarge-gb200": Row(
        "gb200",
        "GB200",
        "nvidia.com/gpu.product",
        "189471 nvidia.com/gpu.memory",
        "nvidia.com/gpu 4",
        "vpc.amazonaws.com/efa=17",
        "",
    ),
    "eks-g6e-12xlarge-l40s": Row(
        "l40s",
        "L40S",
        "nvidia.com/gpu.product",
        "46068 nvidia.com/gpu.memory",
        "nvidia.com/gpu 4",
        "vpc.amazonaws.com/efa=1",
        "",
    ),
    "eks-g6-xlarge-l4-nogfd": Row(
        "l4", "L4", "karpenter.k8s.aws/instance-gpu-name", "23034 catalogue", "nvidia.com/gpu 1", "", ""
    ),
    "gke-a3-ultragpu-8g-h200-rdma": Row(
        "h200",
        "H200",
        "cloud.google.com/gke-accelerator",
        "143771 catalogue",
        "nvidia.com/gpu 8",
        gke(8),
        "",
    ),
    "gke-a3-highgpu-8g-h100-tcpx": Row(
        "h100", "H100", "cloud.google.com/gke-accelerator", "81559 catalogue", "nvidia.com/gpu 8", "", ""
    ),
    "gke-a4x-highgpu-4g-gb200": Row(
        "gb200",
        "GB200",
        "cloud.google.com/gke-accelerator",
        "189471 catalogue",
        "nvidia.com/gpu 4",
        gke(4),
        "",
    ),
    "gke-a2-ultragpu-8g-a100-80g": Row(
        "a100-80gb", "A100-80", "nvidia.com/gpu.product", "81920 nvidia.com/gpu.memory", "nvidia.com/gpu 8", "", ""
    ),
    "gke-ct5lp-hightpu-4t-v5e-0": Row(
        "tpu-v5e", "TPU-v5e", "cloud.google.com/gke-tpu-accelerator", "", "google.com/tpu 4", "", ""
    ),
    "gke-ct5lp-hightpu-4t-v5e-1": Row(
        "tpu-v5e", "TPU-v5e", "cloud.google.com/gke-tpu-accelerator", "", "google.com/tpu 4", "", ""
    ),
    "gke-ct5p-hightpu-4t-v5p": Row(
        "tpu-v5p", "TPU-v5p", "cloud.google.com/gke-tpu-accelerator", "", "google.com/tpu 4", "", ""
    ),
    "gke-ct6e-standard-4t-v6e": Row(
        "tpu-v6e", "TPU-v6e", "cloud.google.com/gke-tpu-accelerator", "", "google.com/tpu 4", "", ""
    ),
    "gke-tpu7x-standard-4t": Row(
        "tpu-v7x", "TPU-v7x", "cloud.google.com/gke-tpu-accelerator", "", "google.com/tpu 4", "", ""
    ),
    "aks-nd96isr-h100-v5": Row(
        "h100", "H100", "nvidia.com/gpu.product", "81559 nvidia.com/gpu.memory", "nvidia.com/gpu 8", "rdma/ib=8", ""
    ),
    "aks-nc24ads-a100-v4": Row(
        "a100-80gb",
        "A100-80",
        "karpenter.azure.com/sku-gpu-name + node.kubernetes.io/instance-type",
        "81920 catalogue",
        "nvidia.com/gpu 1",
        "",
        "",
    ),
    "cks-gd-8xh100ib-i128": Row(
        "h100", "H100", "gpu.nvidia.com/model", "81559 catalogue", "nvidia.com/gpu 8", "rdma/ib=8", ""
    ),
    "cks-gd-8xh200ib-i128": Row(
        "h200", "H200", "gpu.nvidia.com/model", "143771 catalogue", "nvidia.com/gpu 8", "rdma/ib=8", ""
    ),
    "ocp-h100-roce": Row(
        "h100",
        "H100",
        "nvidia.com/gpu.product",
        "81559 nvidia.com/gpu.memory",
        "nvidia.com/gpu 8",
        "rdma/roce_gdr=1k",
        "",
    ),
    "oke-bm-gpu-mi300x-8": Row(
        "mi300x",
        "MI300X",
        "amd.com/gpu.product-name",
        "196592 catalogue",
        "amd.com/gpu 8",
        "nvidia.com/sriov-rdma-vf=8",
        "",
    ),
    "ibm-gx3d-8gaudi3": Row("", "Gaudi", "habana.ai/gaudi", "", "habana.ai/gaudi 8", "", ""),
    "vanilla-arc-b60-dra": Row("", "", "", "", " 0", "", ""),
    "doks-gpu-h100x8": Row(
        "h100", "H100", "doks.digitalocean.com/gpu-model", "81559 catalogue", "nvidia.com/gpu 8", "", "LD0607 LD0913"
    ),
    "vanilla-rtxpro6000-8": Row(
        "rtx-pro-6000",
        "RTX-PRO-6000",
        "nvidia.com/gpu.product",
        "97887 nvidia.com/gpu.memory",
        "nvidia.com/gpu 8",
        "rdma/hca_shared_devices_a=1k",
        "",
    ),
    "vanilla-h100-mig-mixed": Row(
        "h100", "H100", "nvidia.com/gpu.product", "81559 nvidia.com/gpu.memory", "nvidia.com/gpu 4", "", "LD0614"
    ),
    "vanilla-a100-mig-invalid": Row(
        "a100-80gb", "A100-80", "nvidia.com/gpu.product", "", "nvidia.com/gpu 0", "", "LD0614"
    ),
    "vanilla-h100-cordoned-upgrading": Row(
        "h100",
        "H100",
        "nvidia.com/gpu.product",
        "81559 nvidia.com/gpu.memory",
        "nvidia.com/gpu 8",
        "rdma/ib=8",
        "LD0601 LD0617",
    ),
    "vanilla-gpu-label-no-allocatable": Row("", "", "", "", " 0", "", "LD0608"),
    "cpu-worker-avx512": Row("", "", "", "", " 0", "", ""),
    "control-plane-0": Row("", "", "", "", " 0", "", ""),
    "k3s-single-rtx4090": Row(
        "", "RTX-4090", "nvidia.com/gpu.product", "24564 nvidia.com/gpu.memory", "nvidia.com/gpu 1", "", ""
    ),
    "kind-worker-sim": Row("", "", "", "", " 0", "", ""),
}
"""tests/fixtures/nodes.yaml, each line checked by hand."""

MORE: Final[Mapping[str, Row]] = {
    "gke-a3-ultragpu-8g-h200-dra": Row(
        "h200",
        "H200",
        "cloud.google.com/gke-accelerator",
        "143771 gpu.nvidia.com capacity.memory",
        "gpu.nvidia.com 8",
        "mrdma.google.com=8",
        "",
    ),
    "gke-a4x-highgpu-4g-gb200-dra": Row(
        "gb200",
        "GB200",
        "gpu.nvidia.com/productName",
        "189471 gpu.nvidia.com capacity.memory",
        "gpu.nvidia.com 4",
        "mrdma.google.com=4",
        "",
    ),
    "eks-auto-p5-48xlarge": Row(
        "h100",
        "H100",
        "eks.amazonaws.com/instance-gpu-name",
        "81559 catalogue",
        "nvidia.com/gpu 8",
        "vpc.amazonaws.com/efa=32",
        "",
    ),
    "oke-bm-gpu-gb300-4": Row(
        "gb300", "GB300", "nvidia.com/gpu.product", "284208 nvidia.com/gpu.memory", "nvidia.com/gpu 4", "", ""
    ),
    "oke-bm-gpu-mi355x-8": Row(
        "mi355x", "MI355X", "amd.com/gpu.device-id", "294896 catalogue", "amd.com/gpu 8", "", ""
    ),
    "amd-mixed-labels": Row(
        "mi300x", "MI300X", "beta.amd.com/gpu.device-id.74a1", "196592 catalogue", "amd.com/gpu 8", "", ""
    ),
    "gpu-worker-2-mi300x-dra": Row(
        "mi300x", "MI300X", "gpu.amd.com/productName", "196592 gpu.amd.com capacity.memory", "gpu.amd.com 2", "", ""
    ),
    "gke-tpu7x-standard-4t-2x2x2": Row(
        "tpu-v7x", "TPU-v7x", "cloud.google.com/gke-tpu-accelerator", "", "google.com/tpu 4", "", ""
    ),
    "arc-b60-dra": Row("xpu-b60", "Arc-Pro-B60", "gpu.intel.com/pciId", "", "gpu.intel.com 1", "", "LD0635"),
    "arc-b60-dra-memory": Row(
        "xpu-b60",
        "Arc-Pro-B60",
        "gpu.intel.com/pciId",
        "24480 gpu.intel.com capacity.memory",
        "gpu.intel.com 1",
        "",
        "",
    ),
    "rpl-s-gaudi2-dra": Row("gaudi2", "Gaudi2", "gaudi.intel.com/model", "", "gaudi.intel.com 2", "", ""),
    "vks-a100-vgpu-dra": Row(
        "",
        "A100",
        "gpu.nvidia.com/productName",
        "10240 gpu.nvidia.com capacity.memory",
        "gpu.nvidia.com 1",
        "",
        "LD0616",
    ),
    "g6-xlarge-l4-shared": Row(
        "l4", "L4", "nvidia.com/gpu.product", "23034 nvidia.com/gpu.memory", "nvidia.com/gpu 4", "", "LD0615"
    ),
    "dgx-a100-mig-single": Row(
        "a100-80gb",
        "A100-80",
        "nvidia.com/gpu.product",
        "9728 nvidia.com/gpu.memory",
        "nvidia.com/gpu 56",
        "",
        "LD0614",
    ),
    "eks-gr6f-4xlarge": Row("", "", "", "", " 0", "", ""),
    "eks-trn2-48xlarge": Row(
        "trn2",
        "Trainium2",
        "karpenter.k8s.aws/instance-accelerator-name",
        "",
        "aws.amazon.com/neuron 16",
        "vpc.amazonaws.com/efa=16",
        "",
    ),
    "aks-nc80adis-h100-v5": Row(
        "h100-nvl",
        "H100-NVL",
        "karpenter.azure.com/sku-gpu-name + node.kubernetes.io/instance-type",
        "95830 catalogue",
        "nvidia.com/gpu 2",
        "",
        "",
    ),
    "cks-bogus-label-alone": Row(
        "h100", "H100", "node.kubernetes.io/instance-type", "81559 catalogue", "nvidia.com/gpu 8", "rdma/ib=8", ""
    ),
    "doks-mi300x": Row(
        "mi300x", "MI300X", "doks.digitalocean.com/gpu-model", "196592 catalogue", "amd.com/gpu 8", "", "LD0913"
    ),
    "gke-n1-t4": Row("", "T4", "cloud.google.com/gke-accelerator", "15360 catalogue", "nvidia.com/gpu 1", "", ""),
    "own-h200-nvl": Row(
        "", "H200-NVL", "nvidia.com/gpu.product", "143771 nvidia.com/gpu.memory", "nvidia.com/gpu 4", "", ""
    ),
    "own-a100-pg509": Row(
        "", "A100", "nvidia.com/gpu.product", "40960 nvidia.com/gpu.memory", "nvidia.com/gpu 8", "", ""
    ),
    "rtx-6000-ada": Row(
        "", "RTX-6000-Ada", "nvidia.com/gpu.product", "49140 nvidia.com/gpu.memory", "nvidia.com/gpu 4", "", ""
    ),
    "both-plugin-and-dra": Row(
        "h200", "H200", "nvidia.com/gpu.product", "143771 nvidia.com/gpu.memory", "gpu.nvidia.com 2", "", ""
    ),
    "half-published": Row("h200", "H200", "nvidia.com/gpu.product", "143771 catalogue", "gpu.nvidia.com 0", "", ""),
}
"""tests/fixtures/more_nodes.yaml: DRA in three API versions, parts of cards, other clouds."""


def shown(summary: NodeSummary) -> Row:
    memory = f"{summary.memory_mib} {summary.memory_source}" if summary.memory_mib else ""
    rdma = " ".join(f"{name}={amount}" for name, amount in summary.rdma.items())
    count = f"{summary.resource} {summary.allocatable}"
    codes = " ".join(summary.findings)
    return Row(summary.accelerator or "", summary.product, summary.key, memory, count, rdma, codes)


@pytest.mark.parametrize(
    ("file", "expected"), [("nodes.yaml", NODES), ("more_nodes.yaml", MORE)], ids=["nodes", "more"]
)
def test_every_node_has_its_verdict(file: str, expected: Mapping[str, Row]) -> None:
    found = {each.name: shown(each) for each in summaries(case(documents(file)))}
    assert found.keys() == expected.keys()
    assert {name: row for name, row in found.items() if row != expected[name]} == {}


@pytest.mark.parametrize(
    "item", [*documents("nodes.yaml"), *documents("more_nodes.yaml")], ids=lambda item: item["metadata"]["name"]
)
def test_every_node_says_where_it_comes_from(item: Mapping[str, Any]) -> None:
    if item["kind"] == "Node":
        assert item["metadata"]["annotations"]["fixture.llmdctl.dev/provenance"]


# --- facets ---------------------------------------------------------------------------------------------------------


def shape(name: str) -> Mapping[str, Any]:
    """The node that a facet describes."""
    described = catalog().facet("accelerator", name).node
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": dict(described["labels"])},
        "status": {"allocatable": dict(described["allocatable"])},
    }


SILENT: Final = {"cpu": (), "gaudi2": ("gaudi2", "gaudi3"), "gaudi3": ("gaudi2", "gaudi3")}
"""Facets whose node does not tell them; no label tells the generation of a Gaudi."""


@pytest.mark.parametrize("name", sorted(accelerators()))
def test_the_node_of_a_facet_is_known_for_it(name: str) -> None:
    device = devices(case([shape(name)]))[name]
    assert device.facet == (None if name in SILENT else name)
    assert device.candidates == SILENT.get(name, ())
    facts = accelerators()[name]
    if not facts.get("memory_nominal") and facts["memory_mib"] and device.facet:
        assert device.memory_mib == facts["memory_mib"]


def test_no_two_products_are_told_by_the_same_value_alone() -> None:
    """A value of several products is fine where the machine type or the memory tells them apart."""
    seen: dict[tuple[str, str], list[str]] = {}
    products = Catalogue.of(accelerators()).products
    for product in products:
        for vocabulary, values in product.labels.items():
            for value in values:
                seen.setdefault((vocabulary, value), []).append(product.name)
    shared = {key: names for key, names in seen.items() if len(names) > 1}
    by_name = {product.name: product for product in products}
    for key, names in shared.items():
        machines = [set(by_name[name].instances) for name in names]
        assert all(machines), key
        assert not set.intersection(*machines), key


def test_products_without_a_facet_are_not_those_with_one() -> None:
    products = Catalogue.of(accelerators()).products
    names = [product.name for product in products]
    assert len(names) == len(set(names))


# --- trust ----------------------------------------------------------------------------------------------------------


def labelled(labels: Mapping[str, str], allocatable: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    stated = {"nvidia.com/gpu": "8"} if allocatable is None else allocatable
    return {"kind": "Node", "metadata": {"name": "n", "labels": dict(labels)}, "status": {"allocatable": dict(stated)}}


PRODUCTS: Final = {
    "NVIDIA-GB200": "GB200",
    "NVIDIA-B200": "B200",
    "NVIDIA-L40S": "L40S",
    "NVIDIA-L40": "L40",
    "NVIDIA-L4": "L4",
    "NVIDIA-A10G": "A10G",
    "NVIDIA-A10": "A10",
    "NVIDIA-A100-SXM4-40GB": "A100-40",
    "A100-SXM4-80GB": "A100-80",
    "NVIDIA-A100-80GB-PCIe": "A100-80",
    "NVIDIA-H100-NVL": "H100-NVL",
    "NVIDIA-H100-PCIe": "H100-PCIe",
    "NVIDIA-H100-80GB-HBM3-SHARED": "H100",
    "Tesla-T4": "T4",
    "NVIDIA-GeForce-RTX-4090": "RTX-4090",
    "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition": "RTX-PRO-6000",
    "NVIDIA-RTX-6000-Ada-Generation": "RTX-6000-Ada",
    "NVIDIA-GH200-480GB": "GH200",
    "NVIDIA-Graphics-Device": "",
}


@pytest.mark.parametrize(("value", "product"), PRODUCTS.items(), ids=PRODUCTS)
def test_a_product_is_a_whole_word(value: str, product: str) -> None:
    assert devices(case([labelled({"nvidia.com/gpu.product": value})]))["n"].product == product


def test_a_key_with_a_foreign_value_falls_through() -> None:
    """CoreWeave writes a value into GKE's label that GKE does not have."""
    labels = {"cloud.google.com/gke-accelerator": "H100_NVLINK_80GB", "karpenter.k8s.aws/instance-gpu-name": "h100"}
    assert devices(case([labelled(labels)]))["n"].key == "karpenter.k8s.aws/instance-gpu-name"


def test_an_ambiguous_name_is_settled_by_memory_or_left_open() -> None:
    name = {"karpenter.k8s.aws/instance-gpu-name": "a100"}
    settled = devices(case([labelled({**name, "karpenter.k8s.aws/instance-gpu-memory": "40960"})]))["n"]
    assert (settled.facet, settled.product) == ("a100-40gb", "A100-40")
    left = devices(case([labelled(name)]))["n"]
    assert (left.facet, left.product, left.memory_mib) == (None, "A100", None)
    assert left.candidates == ("a100-40gb", "a100-80gb")


def test_a_number_in_a_name_is_no_memory() -> None:
    found = devices(case([labelled({"nvidia.com/gpu.product": "NVIDIA-RTX-6000-Ada-Generation"})]))["n"]
    assert found.memory_mib is None


MEMORY: Final[Mapping[str, tuple[Mapping[str, str], tuple[int | None, str]]]] = {
    "driver first": (
        {"nvidia.com/gpu.product": "NVIDIA-H200", "nvidia.com/gpu.memory": "143770", "gpu.nvidia.com/vram": "143"},
        (143770, "nvidia.com/gpu.memory"),
    ),
    "then the catalogue": (
        {"nvidia.com/gpu.product": "NVIDIA-H200", "karpenter.k8s.aws/instance-gpu-memory": "144384"},
        (143771, "catalogue"),
    ),
    "then EC2's number": (
        {"nvidia.com/gpu.product": "NVIDIA-H800", "karpenter.k8s.aws/instance-gpu-memory": "81920"},
        (81920, "karpenter.k8s.aws/instance-gpu-memory"),
    ),
    "then CoreWeave's thousands": (
        {"nvidia.com/gpu.product": "NVIDIA-H800", "gpu.nvidia.com/vram": "81"},
        (81000, "gpu.nvidia.com/vram"),
    ),
    "0 is not known": ({"nvidia.com/gpu.product": "NVIDIA-H800", "nvidia.com/gpu.memory": "0"}, (None, "")),
    "of a MIG slice only the driver's": (
        {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb", "nvidia.com/mig.strategy": "single"},
        (None, ""),
    ),
}


@pytest.mark.parametrize(("labels", "expected"), MEMORY.values(), ids=MEMORY)
def test_memory_has_an_order_of_trust(labels: Mapping[str, str], expected: tuple[int | None, str]) -> None:
    found = devices(case([labelled(labels)]))["n"]
    assert (found.memory_mib, found.memory_source) == expected


def test_memory_that_differs_from_the_catalogue_is_doubted() -> None:
    odd = labelled({"nvidia.com/gpu.product": "NVIDIA-H200", "nvidia.com/gpu.memory": "98304"})
    (found,) = summaries(case([odd]))
    assert found.findings == ("LD0913",)


INTEL = {"gpu.intel.com/i915": "4", "gpu.intel.com/xe": "4"}


def test_names_of_the_same_cards_are_not_added_up() -> None:
    found = devices(case([labelled({"gpu.intel.com/product": "Max_1550"}, INTEL)]))["n"]
    assert (found.resource, found.count) == ("gpu.intel.com/xe", 4)
    neuron = {"aws.amazon.com/neuroncore": "128", "aws.amazon.com/neuron": "16"}
    assert devices(case([labelled({}, neuron)]))["n"].count == 16


def test_whole_cards_beside_slices_can_be_used_and_slices_cannot() -> None:
    mixed = devices(case([node("vanilla-h100-mig-mixed")]))["vanilla-h100-mig-mixed"]
    single = devices(case([node("dgx-a100-mig-single")]))["dgx-a100-mig-single"]
    assert (mixed.count, mixed.sharing, mixed.excluded) == (4, "mig-mixed", {})
    assert (single.sharing, list(single.excluded)) == ("mig-single", ["LD0614"])


def test_of_the_interfaces_that_dranet_publishes_cards_of_rdma_count() -> None:
    cards = [{"name": f"eth{n}", "attributes": {"dra.net/rdma": {"bool": n > 0}}} for n in range(3)]
    pool = {"name": "n", "generation": 1, "resourceSliceCount": 1}
    spec = {"driver": "dra.net", "nodeName": "n", "pool": pool, "devices": cards}
    found = devices(case([labelled({}), {"kind": "ResourceSlice", "metadata": {"name": "s"}, "spec": spec}]))["n"]
    assert (found.rdma, found.dra) == ({"dra.net": "2"}, False)


# --- what is not known ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("section", ["nodes", "resource-slices"])
def test_devices_are_unknown_without_what_tells_them(section: str) -> None:
    with pytest.raises(UnknowableError, match=section):
        devices(case([node("doks-gpu-h100x8")], missing={section: Seen.FORBIDDEN}))


def test_a_summary_says_what_it_can() -> None:
    hidden = {"resource-slices": Seen.ABSENT, "pods": Seen.FORBIDDEN}
    (found,) = summaries(case([node("doks-gpu-h100x8")], missing=hidden))
    assert (found.product, found.allocatable, found.free) == ("H100", 8, None)


def test_what_pods_hold_is_not_free() -> None:
    pod = {
        "metadata": {"name": "a", "namespace": "x"},
        "spec": {"nodeName": "doks-gpu-h100x8", "containers": [{"resources": {"limits": {"nvidia.com/gpu": "3"}}}]},
        "status": {"phase": "Running"},
    }
    (found,) = summaries(case([node("doks-gpu-h100x8")], others={"pods": [pod]}))
    assert (found.allocatable, found.requested, found.free) == (8, 3, 5)


def test_what_claims_hold_is_not_free() -> None:
    name = "gke-a3-ultragpu-8g-h200-dra"
    result = {"driver": "gpu.nvidia.com", "pool": name, "device": "gpu-3", "request": "gpu"}
    claim = {
        "metadata": {"name": "c", "namespace": "x"},
        "status": {"allocation": {"devices": {"results": [result]}}, "reservedFor": [{"name": "p"}]},
    }
    others = {"resource-claims": [claim]}
    found = {each.name: each for each in summaries(case(documents("more_nodes.yaml"), others=others))}[name]
    assert (found.allocatable, found.requested, found.free) == (8, 1, 7)


def test_nothing_is_free_on_a_cordoned_node() -> None:
    (found,) = summaries(case([node("vanilla-h100-cordoned-upgrading")]))
    assert (found.free, found.schedulable) == (0, False)


# --- facets of one's own --------------------------------------------------------------------------------------------


def own_facet(**identity: Any) -> Mapping[str, Any]:
    return {"vendor": "example", "resource": "example.com/x100", "memory_mib": 65536, "identity": identity}


def test_a_new_accelerator_is_one_file() -> None:
    facts = own_facet(product="X100", labels={"example.com/model": ["X100"]})
    nodes = [labelled({"example.com/model": "X100"}, {"example.com/x100": "8"})]
    found = devices(replace(case(nodes), accelerators={**accelerators(), "x100": facts}))["n"]
    assert (found.facet, found.product, found.key) == ("x100", "X100", "example.com/model")
    assert (found.resource, found.count, found.memory_mib) == ("example.com/x100", 8, 65536)


def test_a_facet_takes_over_what_no_facet_described() -> None:
    l20 = [labelled({"nvidia.com/gpu.product": "NVIDIA-L20"})]
    assert (found := devices(case(l20))["n"]).product == "L20"
    assert found.facet is None
    facts = own_facet(product="L20", labels={"nvidia.com/gpu.product": ["NVIDIA-L20"]})
    found = devices(replace(case(l20), accelerators={**accelerators(), "l20": facts}))["n"]
    assert (found.facet, found.memory_mib) == ("l20", 65536)


def test_nodes_that_differ_in_a_label_of_a_facet_are_not_alike() -> None:
    facts = own_facet(product="X100", labels={"example.com/model": ["X100"]})
    named = labelled({"example.com/model": "X100"}, {"example.com/x100": "8"})
    bare = {**labelled({}, {"example.com/x100": "8"}), "metadata": {"name": "m", "labels": {}}}
    found = devices(replace(case([named, bare]), accelerators={**accelerators(), "x100": facts}))
    assert [found["n"].key, found["m"].key] == ["example.com/model", "example.com/x100"]
