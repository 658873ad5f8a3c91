"""Everything that can be said against each node without a recipe, by code: what `inventory nodes` lists."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

from llmdctl.model.device import Device
from llmdctl.preflight import memories, nodelocal
from llmdctl.preflight.catalogue import INSTANCE, Catalogue
from llmdctl.preflight.identity import is_vague, product_of
from llmdctl.preflight.node import Node

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case


def node_findings(case: Case, devices: Mapping[str, Device]) -> Mapping[str, Mapping[str, str]]:
    """Node name -> code -> what is the matter, in the order of the codes. Raises UnknowableError without nodes."""
    catalogue = case.catalogue
    alike: dict[Hashable, Mapping[str, str]] = {}
    found = {}
    for node in case.nodes:
        device = devices[node.name]
        kind = None if device.dra else case.kinds[node.name]
        judged = None if kind is None else alike.get(kind)
        if judged is None:
            judged = _findings(node, device, catalogue)
        if kind is not None:
            alike[kind] = judged
        found[node.name] = judged
    return found


def memory_doubt(node: Node, device: Device, catalogue: Catalogue) -> str:
    """Why the memory of a node's devices should not be relied on (LD0913); empty where it may be."""
    product = product_of(device, catalogue)
    return memories.doubt(node, device, product.memory_mib if product else None, vague=is_vague(device))


def missing_devices(node: Node, device: Device, catalogue: Catalogue) -> str:
    """How many devices fewer a node offers than its machine type has (LD0609); empty where none is missing.

    Not where a device is no whole card, and not where none is left at all: that is LD0608.
    """
    kind = node.labels.get(INSTANCE, "")
    wanted = max((each.instances[kind] for each in catalogue.of_instance(kind)), default=0)
    if device.sharing or not device.count or device.count >= wanted:
        return ""
    return f"{device.count} of the {wanted} devices of a {kind} are allocatable"


def _findings(node: Node, device: Device, catalogue: Catalogue) -> Mapping[str, str]:
    found = {
        **nodelocal.findings(node, device),
        "LD0609": missing_devices(node, device, catalogue),
        "LD0913": memory_doubt(node, device, catalogue),
    }
    return {code: found[code] for code in sorted(found) if found[code]}
