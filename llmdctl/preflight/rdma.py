"""What resources of RDMA cards mean, and which of them nodes offer and pods ask for.

One name may count pods that share all cards of a node, another single cards that one pod has alone: what a pod should
ask for differs, and nothing in the API says which it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from llmdctl.model.quantity import ACCELERATORS
from llmdctl.preflight.capacity import eligible
from llmdctl.preflight.node import Node
from llmdctl.preflight.slices import PublishedDevice, by_node
from llmdctl.preflight.workload import PodTemplate

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case

Item = Mapping[str, Any]
EFA: Final = "vpc.amazonaws.com/efa"
GKE_NETWORK: Final = "networking.gke.io.networks/"


@dataclass(frozen=True, kw_only=True, slots=True)
class RdmaResource:
    """One resource, or those of one pattern."""

    pattern: str  # of the whole name
    shared: bool  # one gives a pod all cards of the node, and the node's number counts pods; else one is one card
    who: str  # offers it
    source: str


_RESOURCES: Final = (
    RdmaResource(
        pattern=r"rdma/roce_gdr", shared=True, who="RDMA shared device plugin on OpenShift",
        source="https://github.com/llm-d/llm-d-benchmark/blob/main/docs/standup.md",
    ),
    RdmaResource(
        pattern=r"rdma/ib", shared=True, who="AKS with the network operator, CoreWeave",
        source="https://github.com/llm-d/llm-d/blob/main/docs/infrastructure/providers/aks/README.md",
    ),
    RdmaResource(
        pattern=r"rdma/shared_ib", shared=True, who="AKS, as its RDMA project configures it",
        source="https://azure.github.io/aks-rdma-infiniband/configurations/network-operator",
    ),
    RdmaResource(  # `rdma` is the plugin's default prefix, so that any other name is its own as well
        pattern=r"rdma/.+", shared=True, who="RDMA shared device plugin",
        source="https://github.com/Mellanox/k8s-rdma-shared-dev-plugin",
    ),
    RdmaResource(
        pattern=r"nvidia\.com/(hostdev|sriov-rdma-vf|sriovlegacy|mlnxnics)", shared=False,
        who="network operator (host device, SR-IOV), Oracle Kubernetes Engine",
        source="https://docs.nvidia.com/networking/display/kubernetes2540/advanced/using-sriov-network-operator.html",
    ),
    RdmaResource(
        pattern=r"openshift\.io/.*(rdma|ib|roce|mlnx|sriov|nic|mellanox).*", shared=False,
        who="SR-IOV network operator",
        source="https://github.com/k8snetworkplumbingwg/sriov-network-operator",
    ),
    RdmaResource(
        pattern=re.escape(EFA), shared=False, who="EKS",
        source="https://docs.aws.amazon.com/eks/latest/userguide/node-efa.html",
    ),
    RdmaResource(
        pattern=r"networking\.gke\.io\.networks/rdma-.+", shared=False, who="GKE multi-networking",
        source="https://cloud.google.com/ai-hypercomputer/docs/create/gke-ai-hypercompute-custom",
    ),
)  # fmt: skip
"""The first pattern that matches counts."""

NIC_CLASSES: Final = ("mrdma.google.com", "dranet")
"""Device classes of cards: GKE's DRANET, and the class of its examples elsewhere.

https://cloud.google.com/kubernetes-engine/docs/how-to/allocate-network-resources-dra
https://dranet.dev/docs/user/nvidia-dranet
"""

NIC_DRIVERS: Final = ("mrdma.google.com", "dra.net")
_LOOKS_LIKE: Final = re.compile(r"[^/]+/.*(rdma|efa|sriov|hca|roce|mlnx|infiniband).*")


def meaning(resource: str) -> RdmaResource | None:
    """What a resource is; None for one that is none of an RDMA card, as far as its name is known."""
    return next((each for each in _RESOURCES if re.fullmatch(each.pattern, resource)), None)


def offered(node: Node) -> Mapping[str, Fraction]:
    """RDMA resources of a node -> allocatable, none that is 0; also those that only look like one."""
    return {
        name: number
        for name, number in node.allocatable.items()
        if number and (meaning(name) or _LOOKS_LIKE.fullmatch(name))
    }


def asked(template: PodTemplate) -> Mapping[str, Fraction]:
    """RDMA resources that one pod asks for."""
    return {name: number for name, number in template.requests.items() if number and meaning(name)}


def claims(case: Case, template: PodTemplate) -> tuple[str, ...]:
    """Device classes of cards that the pod's claims ask for, each once."""
    wanted = {str(row.get("resourceClaimTemplateName")) for row in template.spec.get("resourceClaims") or ()}
    found = [
        name
        for obj in case.rendered("ResourceClaimTemplate")
        if obj["metadata"]["name"] in wanted
        for name in device_classes(obj)
    ]
    return tuple(dict.fromkeys(name for name in found if name in NIC_CLASSES))


def device_classes(claim_template: Item) -> Iterator[str]:
    """The device classes that a ResourceClaimTemplate asks for, in v1 and in the shape before it."""
    devices = (((claim_template.get("spec") or {}).get("spec") or {}).get("devices")) or {}
    for request in devices.get("requests") or ():
        rows = request.get("firstAvailable") or (request.get("exactly") or request,)
        yield from (str(row["deviceClassName"]) for row in rows if row.get("deviceClassName"))


def networks(template: PodTemplate) -> tuple[str, ...]:
    """RDMA networks of GKE that the pod attaches, by the names in its annotation."""
    stated = template.annotations.get("networking.gke.io/interfaces", "")
    return tuple(name for name in re.findall(r'"network"\s*:\s*"([^"]+)"', stated) if name.startswith("rdma"))


def wants_rdma(case: Case, template: PodTemplate) -> bool:
    """Whether the pod asks for RDMA cards in any of the ways there are."""
    return bool(asked(template) or claims(case, template) or networks(template))


def multi_node(template: PodTemplate) -> bool:
    """Whether one replica spans nodes, so that every step of the model crosses the network."""
    return template.is_model_server and template.group_size > 1


def disaggregated(case: Case) -> bool:
    """Whether one role hands its KV cache to another."""
    return {"prefill", "decode"} <= {template.role for template in case.workloads if template.is_model_server}


def hosts(case: Case, template: PodTemplate) -> tuple[Node, ...]:
    """Nodes with the accelerator that the pod asks for; of these, where there are any, those that it may go to.

    Raises UnknowableError without nodes, and for a pod with claims also without ResourceSlices.
    """
    resources = [name for name in ACCELERATORS if template.requests.get(name)]
    if resources:
        having = [node for node in case.nodes if any(node.allocatable.get(name) for name in resources)]
    elif template.spec.get("resourceClaims"):
        published = by_node(case.section("resource-slices"))
        having = [node for node in case.nodes if published.get(node.name)]
    else:
        having = []
    free = eligible(case, template)
    return tuple([node for node in having if not free.get(node.name)] or having)


def cards(case: Case, node: Node) -> tuple[PublishedDevice, ...]:
    """RDMA cards that DRA drivers publish of a node. Raises UnknowableError without ResourceSlices."""
    found = by_node(case.section("resource-slices")).get(node.name, ())
    return tuple(each for each in found if each.driver in NIC_DRIVERS and _rdma(each))


def _rdma(device: PublishedDevice) -> bool:
    """Of DRANET every network interface is a device; only some are RDMA cards, and say so."""
    return device.driver != "dra.net" or device.attributes.get("rdma") is True
