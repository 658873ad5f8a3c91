"""How much memory one accelerator of a node has, and who says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from llmdctl.model.device import Device
from llmdctl.preflight.catalogue import Product, close
from llmdctl.preflight.node import Node
from llmdctl.preflight.slices import PublishedDevice

GFD: Final = "nvidia.com/gpu.memory"
CATALOGUE: Final = "catalogue"
_MI: Final = 2**20
_EC2: Final = ("karpenter.k8s.aws/instance-gpu-memory", "eks.amazonaws.com/instance-gpu-memory")
_VRAM: Final = "gpu.nvidia.com/vram"
_COREWEAVE_UNIT: Final = 1000  # the label is MiB / 1000, cut off: 81 for 81559, 143 for 143771
_WHOLE: Final = ("", "time-slicing", "mps", "mig-mixed")  # a device is a whole card, shared or not


def stated_memory(node: Node, published: Sequence[PublishedDevice]) -> tuple[int | None, str]:
    """What the node itself says, in MiB, the most exact first; 0 means that nobody knows."""
    return next(_stated(node, published), (None, ""))


def device_memory(
    node: Node, published: Sequence[PublishedDevice], product: Product | None, *, sharing: str
) -> tuple[int | None, str]:
    """MiB of one device and its source: driver by label, driver by DRA, catalogue, EC2's number, CoreWeave's.

    Of a part of a card (MIG, vGPU) only the driver's own number counts: the catalogue and clouds speak of whole ones.
    """
    rows = tuple(_stated(node, published))
    measured = next((row for row in rows if row[1] not in (*_EC2, _VRAM)), None)
    if measured:
        return measured
    if sharing not in _WHOLE:
        return None, ""
    if product and product.memory_mib:
        return product.memory_mib, CATALOGUE
    return next(iter(rows), (None, ""))


def doubt(node: Node, device: Device, catalogue_mib: int | None, *, vague: bool) -> str:
    """Why the number should not be relied on; empty where it may be.

    A label that differs from the catalogue by more than 5 %, or a catalogue's number for a node that names a model and
    not its variant.
    """
    if device.memory_source == CATALOGUE and vague:
        return (
            f"{device.memory_mib} MiB is the catalogue's number for {device.product}: nothing on the node confirms it"
        )
    if device.sharing not in _WHOLE or not catalogue_mib:
        return ""
    for number, key in _stated(node, ()):
        if not close(number, catalogue_mib):
            return f"{key} says {number} MiB, the catalogue {catalogue_mib} MiB for {device.product}"
    return ""


def _stated(node: Node, published: Sequence[PublishedDevice]) -> Iterator[tuple[int, str]]:
    labels = node.labels
    number = _whole(labels.get(GFD))
    if number:
        yield number, GFD
    amounts = [int(each.capacity.get("memory", 0) / _MI) for each in published]
    if amounts and min(amounts) > 0:
        yield min(amounts), f"{published[0].driver} capacity.memory"
    for key in _EC2:
        number = _whole(labels.get(key))
        if number:
            yield number, key
    number = _whole(labels.get(_VRAM))
    if number:
        yield number * _COREWEAVE_UNIT, _VRAM


def _whole(label: str | None) -> int:
    return int(label) if label and label.isdigit() else 0
