"""Kubernetes quantities, and the devices a container asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

_SUFFIXES: Final = {
    "": Fraction(1), "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000),
    "k": Fraction(10**3), "M": Fraction(10**6), "G": Fraction(10**9),
    "T": Fraction(10**12), "P": Fraction(10**15), "E": Fraction(10**18),
    "Ki": Fraction(2**10), "Mi": Fraction(2**20), "Gi": Fraction(2**30),
    "Ti": Fraction(2**40), "Pi": Fraction(2**50), "Ei": Fraction(2**60),
}  # fmt: skip
_QUANTITY: Final = re.compile(r"([-+]?(?:\d+(?:\.\d*)?|\.\d+))(?:[eE]([-+]?\d{1,2})|(n|u|m|[kMGTPE]i?|Ki)?)")
GPUS: Final = ("nvidia.com/gpu", "amd.com/gpu", "habana.ai/gaudi", "gpu.intel.com/i915", "gpu.intel.com/xe")
"""Resources of which one is one rank of tensor parallelism."""

ACCELERATORS: Final = (
    *GPUS,
    "google.com/tpu",
    "aws.amazon.com/neuron",
    "aws.amazon.com/neuroncore",
    "huawei.com/Ascend910",
)


def exact(quantity: object) -> Fraction | None:
    """`96Gi`, `1500m` or `4` as a number without rounding; None for anything else, and for what is below zero.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """
    if isinstance(quantity, bool):
        return None
    if isinstance(quantity, (int, float)):
        return Fraction(quantity)
    return _parsed(quantity) if isinstance(quantity, str) else None


@lru_cache(maxsize=4096)  # a cluster writes few different ones, many times
def _parsed(quantity: str) -> Fraction | None:
    found = _QUANTITY.fullmatch(quantity.strip())
    if not found:
        return None
    number, exponent, suffix = found.groups()
    value = Fraction(number) * (Fraction(10) ** int(exponent) if exponent else _SUFFIXES[suffix or ""])
    return value if value >= 0 else None


def amount(quantity: object) -> float | None:
    """As `exact`, as a float: whole numbers stay whole up to 2**53."""
    found = exact(quantity)
    return None if found is None else float(found)


def resources(container: Mapping[str, Any]) -> Mapping[str, float]:
    """What a container may use: limits, and requests where no limit is stated."""
    stated = _stated(container, "requests") | _stated(container, "limits")
    numbers = {name: amount(quantity) for name, quantity in stated.items()}
    return {name: number for name, number in numbers.items() if number is not None}


def _stated(container: Mapping[str, Any], kind: str) -> dict[str, object]:
    outer = container.get("resources")
    inner = outer.get(kind) if isinstance(outer, Mapping) else None
    return {str(name): quantity for name, quantity in inner.items()} if isinstance(inner, Mapping) else {}
