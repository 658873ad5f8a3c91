"""One line a node, as a person asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from llmdctl.model.check import NodeSummary
from llmdctl.model.device import Device
from llmdctl.preflight.identity import devices_seen
from llmdctl.preflight.node import Node
from llmdctl.preflight.nodefindings import node_findings
from llmdctl.preflight.nodelocal import in_service
from llmdctl.preflight.requests import Amounts
from llmdctl.preflight.verdict import UnknowableError

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case


def summaries(case: Case) -> tuple[NodeSummary, ...]:
    """Every node, in the order of the inventory. Raises UnknowableError without nodes.

    What is free is None without pods; ResourceSlices that could not be read are as if there were none.
    """
    devices = devices_seen(case)
    found = node_findings(case, devices)
    left = _free(case)
    return tuple(
        _summary(node, devices[node.name], tuple(found[node.name]), None if left is None else left.get(node.name, {}))
        for node in case.nodes
    )


def _summary(node: Node, device: Device, codes: tuple[str, ...], left: Amounts | None) -> NodeSummary:
    remaining = None if left is None else max(0, int(left.get(device.resource, 0)))
    schedulable = in_service(node)
    return NodeSummary(
        name=node.name,
        accelerator=device.facet,
        product=device.product,
        key=device.key,
        memory_mib=device.memory_mib,
        memory_source=device.memory_source,
        resource=device.resource,
        allocatable=device.count,
        requested=0 if remaining is None else max(0, device.count - remaining),
        free=remaining if schedulable or remaining is None else 0,
        rdma=device.rdma,
        schedulable=schedulable,
        findings=codes,
    )


def _free(case: Case) -> Mapping[str, Amounts] | None:
    try:
        return case.free
    except UnknowableError:
        return None
