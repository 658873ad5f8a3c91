"""Accelerators that nodes have and that no facet describes: to be named, never to be taken for another one.

The same shape as the facts of an accelerator facet. Memory is what the driver reports, where a public source has it:
Tesla T4 and V100 https://github.com/NVIDIA/k8s-device-plugin/blob/main/docs/gpu-feature-discovery/README.md and
https://karpenter.sh/docs/reference/instance-types/; names on GKE https://cloud.google.com/kubernetes-engine/docs/how-to/gpus;
compute capabilities https://developer.nvidia.com/cuda-gpus.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_NVIDIA: Final = "nvidia.com/gpu"
_GFD: Final = "nvidia.com/gpu.product"
_GKE: Final = "cloud.google.com/gke-accelerator"
_EC2: Final = "karpenter.k8s.aws/instance-gpu-name"
_AZURE: Final = "karpenter.azure.com/sku-gpu-name"
_AMD: Final = "amd.com/gpu.device-id"


def _gpu(
    product: str, memory_mib: int, capability: str, labels: Mapping[str, list[str]], *, linked: int | None = None
) -> Mapping[str, Any]:
    return {
        "resource": _NVIDIA,
        "memory_mib": memory_mib,
        "compute_capability": capability,
        "linked_devices": linked,
        "identity": {"product": product, "labels": labels},
    }


def _amd(product: str, device_id: str) -> Mapping[str, Any]:
    return {"resource": "amd.com/gpu", "identity": {"product": product, "labels": {_AMD: [device_id]}}}


OTHERS: Final[tuple[Mapping[str, Any], ...]] = (
    _gpu("T4", 15360, "7.5", {_GFD: ["Tesla-T4"], _GKE: ["nvidia-tesla-t4"], _EC2: ["t4"], _AZURE: ["T4"]}, linked=1),
    _gpu("V100", 0, "7.0", {_GKE: ["nvidia-tesla-v100"], _EC2: ["v100"], _AZURE: ["V100"]}),
    _gpu("P100", 0, "6.0", {_GKE: ["nvidia-tesla-p100"]}),
    _gpu("A10", 0, "8.6", {_GFD: ["NVIDIA-A10"], _AZURE: ["A10"]}, linked=1),
    _gpu("A30", 0, "8.0", {_GFD: ["NVIDIA-A30"]}),
    _gpu("A40", 0, "8.6", {_GFD: ["NVIDIA-A40"]}),
    _gpu("L40", 0, "8.9", {_GFD: ["NVIDIA-L40"]}, linked=1),
    _gpu("L20", 0, "8.9", {_GFD: ["NVIDIA-L20"]}, linked=1),
    _gpu("H800", 0, "9.0", {_GFD: ["NVIDIA-H800"]}),
    _gpu("H200-NVL", 0, "9.0", {_GFD: ["NVIDIA-H200-NVL"]}),
    _gpu("GH200", 0, "9.0", {_GFD: ["NVIDIA-GH200-480GB"]}, linked=1),
    _gpu("RTX-3090", 24576, "8.6", {_GFD: ["NVIDIA-GeForce-RTX-3090"]}),
    _gpu("RTX-4090", 24564, "8.9", {_GFD: ["NVIDIA-GeForce-RTX-4090"]}, linked=1),
    _gpu("RTX-5090", 0, "12.0", {_GFD: ["NVIDIA-GeForce-RTX-5090"]}, linked=1),
    _gpu("RTX-6000-Ada", 0, "8.9", {_GFD: ["NVIDIA-RTX-6000-Ada-Generation"]}, linked=1),
    _gpu("RTX-PRO-4500", 0, "12.0", {_EC2: ["rtx-pro-4500"]}, linked=1),
    _amd("MI300A", "74a0"),
    _amd("MI308X", "74a2"),
    _amd("MI350X", "75a0"),
    _amd("MI250X", "7408"),
    _amd("MI250", "740c"),
    _amd("MI210", "740f"),
)
"""Their facts; a memory of 0 is not known."""
