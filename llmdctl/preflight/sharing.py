"""Whether one accelerator of a node is given to several pods, and how."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llmdctl.preflight.node import Node
from llmdctl.preflight.slices import PublishedDevice

_MIG: Final = "nvidia.com/mig-"


def of(node: Node, published: Sequence[PublishedDevice]) -> str:
    """time-slicing, mps, mig-single, mig-mixed, mig-invalid, vgpu; empty for whole devices.

    Labels: https://github.com/NVIDIA/k8s-device-plugin/blob/main/docs/gpu-feature-discovery/README.md,
    https://cloud.google.com/kubernetes-engine/docs/concepts/timesharing-gpus
    """
    labels = node.labels
    product = labels.get("nvidia.com/gpu.product", "")
    types = {each.attributes.get("type") for each in published if each.driver == "gpu.nvidia.com"}
    if product.endswith("-MIG-INVALID"):
        return "mig-invalid"
    if "-MIG-" in product or "cloud.google.com/gke-gpu-partition-size" in labels or types == {"mig"}:
        return "mig-single"
    if any(name.startswith(_MIG) and number for name, number in node.allocatable.items()) or "mig" in types:
        return "mig-mixed"
    if labels.get("nvidia.com/vgpu.present") == "true" or _virtual(published):
        return "vgpu"
    return _replicated(node)


def _virtual(published: Sequence[PublishedDevice]) -> bool:
    """NVML calls the brand of a vGPU NvidiaVCS, and its product `GRID A100-10C`."""
    return any(str(each.attributes.get("productName", "")).startswith("GRID ") for each in published)


def _replicated(node: Node) -> str:
    labels = node.labels
    strategy = labels.get("nvidia.com/gpu.sharing-strategy") or "none"
    if strategy != "none":
        return strategy
    replicas = labels.get("nvidia.com/gpu.replicas", "1")
    if (replicas.isdigit() and int(replicas) > 1) or labels.get("nvidia.com/gpu.product", "").endswith("-SHARED"):
        return "time-slicing"
    chosen = labels.get("cloud.google.com/gke-gpu-sharing-strategy", "")
    return "time-slicing" if chosen == "time-sharing" else chosen
