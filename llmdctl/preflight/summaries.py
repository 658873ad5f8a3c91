"""One line a node, as a person asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from llmdctl.model.check import NodeSummary
from llmdctl.model.device import Device
from llmdctl.preflight.devices import devices_left
from llmdctl.preflight.identity import devices_seen, is_whole
from llmdctl.preflight.node import Node
from llmdctl.preflight.nodefindings import node_findings
from llmdctl.preflight.nodelocal import in_service
from llmdctl.preflight.requests import Amounts
from llmdctl.preflight.slices import PublishedDevice
from llmdctl.preflight.verdict import UnknowableError

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case

T = TypeVar("T")


def summaries(case: Case) -> tuple[NodeSummary, ...]:
    """Every node, in the order of the inventory. Raises UnknowableError without nodes.

    What is free is None without pods; ResourceSlices that could not be read are as if there were none.
    """
    known = _known(lambda: case.devices)
    devices = devices_seen(case) if known is None else known
    found = case.against if known is not None else node_findings(case, devices)
    left, unheld = _known(lambda: case.free), _known(lambda: devices_left(case))
    return tuple(
        _summary(node, devices[node.name], tuple(found[node.name]), _remaining(devices[node.name], left, unheld))
        for node in case.nodes
    )


def _summary(node: Node, device: Device, codes: tuple[str, ...], remaining: int | None) -> NodeSummary:
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


def _remaining(
    device: Device,
    left: Mapping[str, Amounts] | None,
    unheld: Mapping[str, tuple[PublishedDevice, ...]] | None,
) -> int | None:
    """Devices that no pod and no claim holds; None where these could not be read."""
    if device.dra:
        own = None if unheld is None else unheld.get(device.node, ())
        return None if own is None else sum(1 for each in own if each.driver == device.resource and is_whole(each))
    return None if left is None else max(0, int(left.get(device.node, {}).get(device.resource, 0)))


def _known(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except UnknowableError:
        return None
