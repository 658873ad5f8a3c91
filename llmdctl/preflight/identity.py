"""What a node's accelerators are: by labels in the order of their worth, by ResourceSlices where DRA counts them."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from llmdctl.model.device import Device
from llmdctl.preflight import nodelocal, sharing
from llmdctl.preflight.catalogue import COREWEAVE, INSTANCE, PRODUCT, Catalogue, Product, canonical, closest
from llmdctl.preflight.memories import device_memory, stated_memory
from llmdctl.preflight.node import Node
from llmdctl.preflight.rdma import rdma_resources
from llmdctl.preflight.slices import PublishedDevice, by_node, pools

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case

_LABELS: Final = (
    (PRODUCT, (PRODUCT,)),
    (COREWEAVE, (COREWEAVE, "gpu.nvidia.com/class")),
    ("cloud.google.com/gke-accelerator", ("cloud.google.com/gke-accelerator",)),
    ("cloud.google.com/gke-tpu-accelerator", ("cloud.google.com/gke-tpu-accelerator",)),
    (
        "karpenter.k8s.aws/instance-gpu-name",
        ("eks.amazonaws.com/instance-gpu-name", "karpenter.k8s.aws/instance-gpu-name"),
    ),
    (
        "karpenter.k8s.aws/instance-accelerator-name",
        ("eks.amazonaws.com/instance-accelerator-name", "karpenter.k8s.aws/instance-accelerator-name"),
    ),
    ("karpenter.azure.com/sku-gpu-name", ("karpenter.azure.com/sku-gpu-name",)),
    ("amd.com/gpu.product-name", ("amd.com/gpu.product-name", "beta.amd.com/gpu.product-name")),
    ("amd.com/gpu.device-id", ("amd.com/gpu.device-id", "beta.amd.com/gpu.device-id")),
    ("gpu.intel.com/product", ("gpu.intel.com/product",)),
    ("doks.digitalocean.com/gpu-model", ("doks.digitalocean.com/gpu-model",)),
)
"""Vocabulary -> the labels that speak it, in the order in which they are believed."""

_COUNTED: Final = ("amd.com/gpu.product-name", "amd.com/gpu.device-id")
"""Of these the labeller also writes `beta.<key>.<value>=<count>`, alone where cards differ.

https://github.com/ROCm/k8s-device-plugin/blob/master/cmd/k8s-node-labeller/main.go
"""

_ATTRIBUTES: Final = {
    ("gpu.nvidia.com", "productName"): PRODUCT,
    ("gpu.amd.com", "productName"): "amd.com/gpu.product-name",
    ("gpu.intel.com", "pciId"): "gpu.intel.com/pciId",
    ("gaudi.intel.com", "model"): "gaudi.intel.com/model",
}
"""Attribute of a driver -> the vocabulary that it speaks."""

DRIVERS: Final = frozenset({"gpu.nvidia.com", "gpu.amd.com", "gpu.intel.com", "gaudi.intel.com"})
"""DRA drivers whose devices are accelerators; others publish network cards and channels."""

_WHOLE: Final = frozenset({None, "gpu", "amdgpu"})
_FREE_FORM: Final = (PRODUCT, COREWEAVE)  # names by NVML: new variants of known chips appear here
_INTEL_PCI: Final = re.compile(r"gpu\.intel\.com/device-id\.[0-9a-f]{4}-([0-9a-f]{4})\.present")
_CUT: Final = re.compile(r"(-SHARED|-MIG-.*)$")
_VAGUE: Final = "doks.digitalocean.com/gpu-model"


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """One node with what its slices publish."""

    node: Node
    catalogue: Catalogue
    driver: str  # DRA driver that publishes accelerators for this node; empty: none does
    published: tuple[PublishedDevice, ...]  # of complete pools

    @cached_property
    def whole(self) -> tuple[PublishedDevice, ...]:
        return tuple(each for each in self.published if is_whole(each))

    @property
    def instance(self) -> str:
        return self.node.labels.get(INSTANCE, "")

    @cached_property
    def resource(self) -> str:
        """The driver, or the extended resource with devices; where two names count the same cards, the newer one."""
        if self.driver:
            return self.driver
        have = [name for name in self.catalogue.resources if self.node.allocatable.get(name)]
        if "gpu.intel.com/xe" in have:
            return "gpu.intel.com/xe"  # i915 is another name for the same cards
        if "aws.amazon.com/neuron" in have:
            return "aws.amazon.com/neuron"
        named = [name for name in self.catalogue.resources if name in self.node.allocatable]
        return next(iter((*have, *named)), "")

    @property
    def count(self) -> int:
        if self.driver:
            return len(self.whole)
        return int(self.node.allocatable.get(self.resource, 0))


def devices(case: Case) -> Mapping[str, Device]:
    """Node name -> what its accelerators are, for every node. Raises UnknowableError without nodes or slices."""
    return _devices(case, case.section("resource-slices"))


def devices_seen(case: Case) -> Mapping[str, Device]:
    """As `devices`, with what is known where ResourceSlices could not be read. Raises UnknowableError without nodes."""
    return _devices(case, case.reading("resource-slices").items)


def is_whole(device: PublishedDevice) -> bool:
    """Whether it is a card, no MIG slice, partition, channel or card for a virtual machine."""
    return device.attributes.get("type") in _WHOLE


def is_vague(device: Device) -> bool:
    """Whether the key names a model only, neither its variant nor its memory."""
    return device.key == _VAGUE


def product_of(device: Device, catalogue: Catalogue) -> Product | None:
    """The catalogue's row of a device, where it is known which one it is."""
    return catalogue.by_name(device.product)


def _devices(case: Case, slices: Sequence[Mapping[str, Any]]) -> Mapping[str, Device]:
    catalogue = case.catalogue
    drivers = {node: pool.driver for pool in pools(slices) if pool.driver in DRIVERS for node in pool.nodes}
    published = by_node(slices)
    alike: dict[Hashable, Device] = {}
    found = {}
    for node in case.nodes:
        cards = published.get(node.name, ())
        kind = None if cards else (case.kinds[node.name], drivers.get(node.name))
        device = None if kind is None else alike.get(kind)
        if device is None:
            own = tuple(each for each in cards if each.driver in DRIVERS)
            seen = _Seen(node=node, catalogue=catalogue, driver=drivers.get(node.name, ""), published=own)
            device = _device(seen, cards)
        if kind is not None:
            alike[kind] = device
        found[node.name] = device if device.node == node.name else replace(device, node=node.name)
    return found


def _device(seen: _Seen, network: Sequence[PublishedDevice]) -> Device:
    key, found, label = _identified(seen)
    product = found[0] if len(found) == 1 else None
    exact = product is not None and label == product.name
    shared = sharing.of(seen.node, seen.published)
    memory, source = None, ""
    if label:
        memory, source = device_memory(seen.node, seen.whole, product if exact else None, sharing=shared)
    device = Device(
        node=seen.node.name,
        facet=product.facet if product and exact else None,
        product=label,
        key=key,
        memory_mib=memory,
        memory_source=source,
        resource=seen.resource,
        count=seen.count,
        dra=bool(seen.driver),
        driver=_driver(seen),
        compute_capability=_capability(seen) or (product.compute_capability if product and exact else ""),
        sharing=shared,
        clique=seen.node.labels.get("nvidia.com/gpu.clique", ""),
        rdma=rdma_resources(seen.node, network),
        candidates=() if exact else tuple(each.facet for each in found if each.facet),
    )
    excluded = nodelocal.excluding(nodelocal.findings(seen.node, device), device)
    return replace(device, excluded=excluded) if excluded else device


def _identified(seen: _Seen) -> tuple[str, tuple[Product, ...], str]:
    """The key that was believed, the products it may mean, and what it names: a product, or a family of several."""
    memory, _ = stated_memory(seen.node, seen.whole)
    for vocabulary, key, value in _statements(seen):
        named = seen.catalogue.named(vocabulary, value)
        if not named:
            named = _plain(seen.catalogue.of_family(value), value) if vocabulary in _FREE_FORM else ()
        if named:
            return _narrowed(seen, key, named, memory)
    for vocabulary, key, value in _statements(seen):
        family = seen.catalogue.of_family(value) if vocabulary in _FREE_FORM else ()
        if family:
            return key, closest(family, memory_mib=memory, instance=seen.instance), family[0].family
    return _by_machine(seen)


def _narrowed(
    seen: _Seen, key: str, named: tuple[Product, ...], memory: int | None
) -> tuple[str, tuple[Product, ...], str]:
    if len(named) == 1:
        return key, named, named[0].name
    left = closest(named, memory_mib=memory, instance=seen.instance)
    if len(left) > 1:
        return key, left, left[0].family
    by_machine = seen.instance in left[0].instances
    return f"{key} + {INSTANCE}" if by_machine else key, left, left[0].name


def _by_machine(seen: _Seen) -> tuple[str, tuple[Product, ...], str]:
    """What is left: the machine type, then the resource alone, which may mean several."""
    if not seen.count:
        return "", (), ""
    named = seen.catalogue.of_instance(seen.instance)
    if len(named) == 1 and (seen.driver or named[0].resource == seen.resource):
        return INSTANCE, named, named[0].name
    several = seen.catalogue.of_resource(seen.resource)
    families = {each.family for each in several}
    if len(families) == 1:
        return seen.resource, several, several[0].family
    return "", (), ""


def _plain(named: tuple[Product, ...], value: str) -> tuple[Product, ...]:
    """A bare family name means the only product of that family: `B200`."""
    return named if len(named) == 1 and canonical(value) == named[0].family.upper() else ()


def _statements(seen: _Seen) -> Iterator[tuple[str, str, str]]:
    """(vocabulary, key, value) of everything that names a product, the most believable first."""
    labels = seen.node.labels
    for vocabulary, keys in _LABELS:
        for key in keys:
            if key in labels and not _fraction(labels, key):
                yield vocabulary, key, _CUT.sub("", labels[key]) if vocabulary == PRODUCT else labels[key]
        if vocabulary in _COUNTED:
            prefix = f"beta.{vocabulary}."
            yield from ((vocabulary, key, key.removeprefix(prefix)) for key in labels if key.startswith(prefix))
    known = {*(vocabulary for vocabulary, _ in _LABELS), *_ATTRIBUTES.values()}
    yield from (
        (word, word, labels[word]) for word in seen.catalogue.vocabularies if word in labels and word not in known
    )
    for (driver, attribute), vocabulary in _ATTRIBUTES.items():
        values = {str(each.attributes[attribute]) for each in seen.whole if _has(each, driver, attribute)}
        yield from ((vocabulary, f"{driver}/{attribute}", value) for value in sorted(values))
    if seen.count:
        for key in labels:
            found = _INTEL_PCI.fullmatch(key)
            if found:
                yield "gpu.intel.com/pciId", key, f"0x{found[1]}"


def _fraction(labels: Mapping[str, str], key: str) -> bool:
    """Machine types with a part of a GPU name it and count 0: https://karpenter.sh/docs/reference/instance-types/"""
    return key.endswith("/instance-gpu-name") and labels.get(key.removesuffix("name") + "count") == "0"


def _has(device: PublishedDevice, driver: str, attribute: str) -> bool:
    return device.driver == driver and attribute in device.attributes


def _driver(seen: _Seen) -> str:
    """The driver's version, as far as it is said."""
    labels = seen.node.labels
    for key in ("nvidia.com/cuda.driver-version.full", "amd.com/gpu.driver-version"):
        if labels.get(key):
            return labels[key]
    parts = [labels.get(f"nvidia.com/cuda.driver.{part}", "") for part in ("major", "minor", "rev")]
    if parts[0]:
        return ".".join(part for part in parts if part)
    return next(
        (str(each.attributes["driverVersion"]) for each in seen.whole if "driverVersion" in each.attributes), ""
    )


def _capability(seen: _Seen) -> str:
    """Compute capability, such as 9.0; DRA writes it with three numbers."""
    labels = seen.node.labels
    if labels.get("nvidia.com/gpu.compute.major"):
        return f"{labels['nvidia.com/gpu.compute.major']}.{labels.get('nvidia.com/gpu.compute.minor', '0')}"
    stated = (str(each.attributes.get("cudaComputeCapability", "")) for each in seen.whole)
    return next((".".join(value.split(".")[:2]) for value in stated if value), "")
