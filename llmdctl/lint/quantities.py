"""Kubernetes quantities, and the devices a container asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from llmdctl.lint.manifest import table

_SUFFIXES: Final = {
    "": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
}  # fmt: skip
GPUS: Final = ("nvidia.com/gpu", "amd.com/gpu", "habana.ai/gaudi", "gpu.intel.com/i915", "gpu.intel.com/xe")
"""Resources of which one is one rank of tensor parallelism."""

ACCELERATORS: Final = (
    *GPUS,
    "google.com/tpu",
    "aws.amazon.com/neuron",
    "aws.amazon.com/neuroncore",
    "huawei.com/Ascend910",
)


def amount(quantity: object) -> float | None:
    """`96Gi`, `1500m` or `4` as a number; None for anything else.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """
    if isinstance(quantity, (int, float)) and not isinstance(quantity, bool):
        return float(quantity)
    if not isinstance(quantity, str):
        return None
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)(?:([eE][-+]?\d+)|(m|[kMGTPE]i?|Ki)?)", quantity.strip())
    if not found:
        return None
    number, exponent, suffix = found.groups()
    if exponent:
        return float(number + exponent)
    return float(number) / 1000 if suffix == "m" else float(number) * _SUFFIXES.get(suffix or "", 1)


def resources(container: Mapping[str, Any]) -> Mapping[str, float]:
    """What a container may use: limits, and requests where no limit is stated."""
    stated = {**(table(container, "resources", "requests")), **(table(container, "resources", "limits"))}
    numbers = {str(name): amount(quantity) for name, quantity in stated.items()}
    return {name: number for name, number in numbers.items() if number is not None}
