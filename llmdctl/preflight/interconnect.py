"""What a recipe asks of the network between its pods, and the nodes that would have to give it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from llmdctl.model.quantity import ACCELERATORS
from llmdctl.preflight.capacity import bound_volumes
from llmdctl.preflight.node import Node
from llmdctl.preflight.nodeselection import refusal
from llmdctl.preflight.rdma import NIC_CLASSES, NIC_DRIVERS, meaning
from llmdctl.preflight.slices import PublishedDevice, by_node
from llmdctl.preflight.workload import PodTemplate

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case

Item = Mapping[str, Any]


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
    return case.within_reach[case.workloads.index(template)]


def within_reach(case: Case) -> tuple[tuple[Node, ...], ...]:
    """`hosts` of every workload, in their order. Raises UnknowableError."""
    return tuple(_hosts(case, template) for template in case.workloads)


def _hosts(case: Case, template: PodTemplate) -> tuple[Node, ...]:
    resources = [name for name in ACCELERATORS if template.requests.get(name)]
    if resources:
        having = [node for node in case.nodes if any(node.allocatable.get(name) for name in resources)]
    elif template.spec.get("resourceClaims"):
        published = by_node(case.section("resource-slices"))
        having = [node for node in case.nodes if published.get(node.name)]
    else:
        return ()
    volumes = bound_volumes(case, template) if having else ()
    return tuple([node for node in having if not refusal(node, template.spec, volumes)] or having)


def cards(case: Case, node: Node) -> tuple[PublishedDevice, ...]:
    """RDMA cards that DRA drivers publish of a node. Raises UnknowableError without ResourceSlices."""
    return case.published_cards.get(node.name, ())


def published_cards(case: Case) -> Mapping[str, tuple[PublishedDevice, ...]]:
    """Node name -> the RDMA cards that DRA drivers publish of it. Raises UnknowableError without ResourceSlices."""
    return {
        name: tuple(each for each in devices if each.driver in NIC_DRIVERS and _rdma(each))
        for name, devices in by_node(case.section("resource-slices")).items()
    }


def _rdma(device: PublishedDevice) -> bool:
    """Of DRANET every network interface is a device; only some are RDMA cards, and say so."""
    return device.driver != "dra.net" or device.attributes.get("rdma") is True
