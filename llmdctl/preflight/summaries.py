"""One line a node, as a person asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmdctl.model.check import NodeSummary
from llmdctl.model.device import Device
from llmdctl.preflight.node import Node

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case


def summaries(case: Case) -> tuple[NodeSummary, ...]:
    """Every node, in the order of the inventory. Raises UnknowableError without nodes."""
    return tuple(_summary(node, case.devices[node.name]) for node in case.nodes)


def _summary(node: Node, device: Device) -> NodeSummary:
    return NodeSummary(
        name=node.name, accelerator=device.facet, product=device.product, key=device.key, memory_mib=device.memory_mib,
        memory_source=device.memory_source, resource=device.resource, allocatable=device.count, requested=0, free=None,
        rdma=device.rdma, schedulable=node.ready and not node.cordoned,
    )  # fmt: skip
