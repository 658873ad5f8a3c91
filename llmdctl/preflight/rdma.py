"""What resources of RDMA cards mean, and which of them nodes offer and pods ask for.

One name may count pods that share all cards of a node, another single cards that one pod has alone: what a pod should
ask for differs, and nothing in the API says which it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final

from llmdctl.preflight.node import Node
from llmdctl.preflight.slices import PublishedDevice

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


@lru_cache(maxsize=1024)  # a cluster has few names, on many nodes
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


def rdma_resources(node: Node, network: Sequence[PublishedDevice]) -> Mapping[str, str]:
    """RDMA resources of a node as written in `status.allocatable`, and DRA drivers of network cards -> cards."""
    cards = Counter(device.driver for device in network if _is_card(device))
    return {name: node.written[name] for name in offered(node)} | {each: str(n) for each, n in cards.items()}


def _is_card(device: PublishedDevice) -> bool:
    """dra.net publishes every interface of a node, and says by dra.net/rdma which of them speak RDMA."""
    return device.driver in NIC_DRIVERS and device.attributes.get("rdma", device.driver != "dra.net") is True
