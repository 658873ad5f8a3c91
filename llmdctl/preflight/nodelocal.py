"""What can be said against a node from the node alone, by the codes of the checks that say it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from llmdctl.model.device import Device
from llmdctl.preflight.catalogue import PRODUCT
from llmdctl.preflight.node import Node

BAD_WHEN_TRUE: Final = frozenset(
    {
        "MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable",
        "KernelDeadlock", "ReadonlyFilesystem", "FilesystemCorruptionProblem", "KubeletProblem",
        "ContainerRuntimeProblem", "FrequentKubeletRestart", "FrequentContainerdRestart", "FrequentDockerRestart",
        "GPUMissing", "XIDErrors", "GPUXIDErrors", "NVLinkStatusInactive", "IBLinkFlapping",
        "UnhealthyNvidiaDevicePlugin", "NebiusGPUError",
    }
)  # fmt: skip
"""Conditions that are bad when they are True: of the kubelet, of node-problem-detector, of AKS and of Nebius.

https://kubernetes.io/docs/reference/node/node-status/#condition, https://github.com/kubernetes/node-problem-detector,
https://learn.microsoft.com/azure/aks/node-problem-detector, https://docs.nebius.com/kubernetes/maintenance/health-checks
"""

BAD_WHEN_FALSE: Final = frozenset(
    {"AcceleratedHardwareReady", "NetworkingReady", "StorageReady", "KernelReady", "ContainerRuntimeReady"}
)
"""Conditions of the EKS node monitoring agent, https://docs.aws.amazon.com/eks/latest/userguide/node-health.html"""

_PRESENT: Final = re.compile(
    r"nvidia\.com/gpu\.present|feature\.node\.kubernetes\.io/pci-(?:[0-9a-f]{4}_)?10de(?:_[0-9a-f_]+)?\.present"
)
_UPGRADES: Final = (
    "nvidia.com/gpu-driver-upgrade-state",
    "nvidia.com/ofed-driver-upgrade-state",
    "operator.amd.com/gpu-driver-upgrade-state",
)
_UPGRADED: Final = frozenset({"", "upgrade-done", "Upgrade-Complete"})
_FOR_MACHINES: Final = frozenset({"vm-passthrough", "vm-vgpu"})


def in_service(node: Node) -> bool:
    """Whether new pods may go there at all: ready and not cordoned."""
    return not _not_in_service(node, None)


def findings(node: Node, device: Device) -> Mapping[str, str]:
    """Code -> what is the matter, as a part of a sentence; nothing about taints, capacity or a recipe."""
    found = {code: rule(node, device) for code, rule in _RULES.items()}
    return {code: reason for code, reason in found.items() if reason}


def _not_in_service(node: Node, _: Device | None) -> str:
    if node.cordoned:
        return "cordoned"
    state = node.conditions.get("Ready", "True")  # the scheduler takes a node that says nothing as ready
    return "" if state == "True" else f"Ready is {state}"


def _no_feature_discovery(node: Node, device: Device) -> str:
    if device.resource != "nvidia.com/gpu" or device.dra or not device.count or PRODUCT in node.labels:
        return ""
    told = device.product and not device.candidates and device.key != "doks.digitalocean.com/gpu-model"
    return "" if told else "no nvidia.com/gpu.product, and no label of the platform tells the variant"


def _plugin_broken(node: Node, device: Device) -> str:
    if device.count or device.dra or device.sharing.startswith("mig-") or _for_machines(node, device):
        return ""
    seen = next((key for key, value in node.labels.items() if value == "true" and _PRESENT.fullmatch(key)), "")
    return f"{seen} says that a device is there, and none is allocatable" if seen else ""


def _unhealthy(node: Node, _: Device) -> str:
    bad = [kind for kind, state in node.conditions.items() if state == "True" and kind in BAD_WHEN_TRUE]
    bad += [kind for kind, state in node.conditions.items() if state == "False" and kind in BAD_WHEN_FALSE]
    return ", ".join(f"{kind}={node.conditions[kind]}" for kind in bad)


def _cut(node: Node, device: Device) -> str:
    state = node.labels.get("nvidia.com/mig.config.state", "")
    changing = f", mig.config.state {state}" if state not in ("", "success") else ""
    words = {
        "mig-invalid": "MIG is set up in a way the plugin refuses: no GPU is offered",
        "mig-single": "its devices are MIG slices, not whole GPUs",
        "mig-mixed": f"some GPUs are cut into MIG slices; {device.count} whole ones are offered",
    }
    if device.sharing in words:
        return words[device.sharing] + changing
    return f"MIG is being changed{changing}" if changing else ""


def _shared(_: Node, device: Device) -> str:
    return f"one GPU serves several pods by {device.sharing}" if device.sharing in ("time-slicing", "mps") else ""


def _virtual(_: Node, device: Device) -> str:
    return "vGPU: no peer-to-peer and no RDMA between them" if device.sharing == "vgpu" else ""


def _upgrading(node: Node, _: Device) -> str:
    states = ((key, node.labels.get(key, "")) for key in _UPGRADES)
    return ", ".join(f"{key}={state}" for key, state in states if state not in _UPGRADED)


def _for_machines(node: Node, _: Device) -> str:
    mode = node.labels.get("nvidia.com/gpu.workload.config", "")
    return f"nvidia.com/gpu.workload.config={mode}: its GPUs are for virtual machines" if mode in _FOR_MACHINES else ""


def _partitioned(node: Node, device: Device) -> str:
    mode = node.labels.get("amd.com/gpu.compute-memory-partition", "")
    if not device.count or not mode or mode.lower().startswith("spx"):
        return ""
    return f"amd.com/gpu.compute-memory-partition={mode}: one device is a part of a card"


def _two_names(node: Node, _: Device) -> str:
    both = [name for name in ("gpu.intel.com/i915", "gpu.intel.com/xe") if node.allocatable.get(name)]
    return f"{' and '.join(both)} count the same cards" if len(both) == 2 else ""


def _no_memory(_: Node, device: Device) -> str:
    if not device.dra or device.resource != "gpu.intel.com" or device.memory_mib:
        return ""
    return "gpu.intel.com publishes no memory"


_RULES: Final[Mapping[str, Callable[[Node, Device], str]]] = {
    "LD0601": _not_in_service,
    "LD0607": _no_feature_discovery,
    "LD0608": _plugin_broken,
    "LD0610": _unhealthy,
    "LD0614": _cut,
    "LD0615": _shared,
    "LD0616": _virtual,
    "LD0617": _upgrading,
    "LD0618": _for_machines,
    "LD0631": _partitioned,
    "LD0634": _two_names,
    "LD0635": _no_memory,
}

_EXCLUDING: Final = ("LD0608", "LD0610", "LD0614", "LD0615", "LD0617", "LD0618", "LD0631")
"""Findings for which a recipe that wants whole, working devices should not use the node now."""


def excluding(found: Mapping[str, str], device: Device) -> Mapping[str, str]:
    """Of a node's findings those that keep a recipe off it; whole GPUs beside MIG slices can be used."""
    left = (code for code in _EXCLUDING if code in found)
    return {code: found[code] for code in left if not (code == "LD0614" and device.sharing == "mig-mixed")}
