"""Which product a label's value names, by what the accelerator facets and the table of other products say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any, Final

from llmdctl.model.quantity import ACCELERATORS
from llmdctl.preflight.products import OTHERS

PRODUCT: Final = "nvidia.com/gpu.product"
COREWEAVE: Final = "gpu.nvidia.com/model"
INSTANCE: Final = "node.kubernetes.io/instance-type"
_CLOSE: Final = 0.05  # drivers, EC2 and the catalogue differ by up to 2 % about the same card


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """One accelerator as nodes name it."""

    name: str  # canonical, such as A100-80
    family: str  # A100: what is still known when the variant is not
    facet: str | None
    memory_mib: int | None  # as a driver was seen to report it; None: only a nominal number is known
    compute_capability: str
    linked: int | None  # devices that reach each other without PCIe; None: not known
    labels: Mapping[str, frozenset[str]]  # vocabulary -> values, in canonical form
    instances: Mapping[str, int]  # machine type -> devices that it has
    resource: str


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Every product: those with a facet, then the others."""

    products: tuple[Product, ...]
    resources: tuple[str, ...]  # extended resources that count accelerators, those of facets of one's own among them

    @classmethod
    def of(cls, facets: Mapping[str, Mapping[str, Any]]) -> Catalogue:
        """From the facts of the accelerator facets; a facet without `identity` names no node.

        What a facet names is its own, also where the table of other products has it.
        """
        own = [_product(name, facts) for name, facts in facets.items() if facts.get("identity")]
        taken = {(vocabulary, value) for each in own for vocabulary, values in each.labels.items() for value in values}
        free = (
            each
            for each in _others()
            if not any((word, value) in taken for word in each.labels for value in each.labels[word])
        )
        stated = (str(facts.get("resource") or "") for facts in facets.values())
        return cls(products=(*own, *free), resources=tuple(dict.fromkeys(filter(None, (*ACCELERATORS, *stated)))))

    def named(self, vocabulary: str, value: str) -> tuple[Product, ...]:
        """The products that a value names in one vocabulary; several where it does not tell them apart."""
        wanted = canonical(value)
        return tuple(each for each in self.products if wanted in each.labels.get(vocabulary, ()))

    def of_family(self, value: str) -> tuple[Product, ...]:
        """The products whose family stands in a value as a whole word, the longest name first: GB200 is no B200."""
        text = canonical(value)
        families = sorted({each.family for each in self.products}, key=len, reverse=True)
        found = next((each for each in families if _holds(text, each)), None)
        return tuple(each for each in self.products if each.family == found)

    def of_instance(self, kind: str) -> tuple[Product, ...]:
        """The product of a machine type."""
        return tuple(each for each in self.products if kind in each.instances)

    def of_resource(self, resource: str) -> tuple[Product, ...]:
        """The products that one extended resource counts."""
        return tuple(each for each in self.products if each.resource == resource)

    @cached_property
    def vocabularies(self) -> tuple[str, ...]:
        """Every label that some product is named by."""
        return tuple(dict.fromkeys(word for each in self.products for word in each.labels))

    def by_name(self, name: str) -> Product | None:
        """The product with a canonical name."""
        return next((each for each in self.products if each.name == name), None)


@lru_cache(maxsize=4096)  # a table of some 600 values is asked about by every node
def canonical(value: str) -> str:
    """One spelling for what NVML, labels and clouds write: `NVIDIA H200`, `nvidia-h200`, `H200` are one."""
    text = re.sub(r"[\s_]+", "-", value.strip()).upper()
    return re.sub(r"^(NVIDIA-)?(TESLA-|GEFORCE-)?", "", text)


def close(first: float, second: float) -> bool:
    """Whether two numbers may be the memory of one card."""
    return abs(first - second) <= _CLOSE * max(first, second)


def closest(products: Iterable[Product], *, memory_mib: int | None, instance: str) -> tuple[Product, ...]:
    """Those of several products that the machine type, then the memory, leaves over."""
    several = tuple(products)
    by_instance = tuple(each for each in several if instance in each.instances)
    several = by_instance or several
    if memory_mib is None or len(several) < 2:
        return several
    return tuple(each for each in several if each.memory_mib and close(each.memory_mib, memory_mib)) or several


def _holds(text: str, family: str) -> bool:
    return re.search(rf"(?<![A-Z0-9]){re.escape(family.upper())}(?![A-Z0-9])", text) is not None


@cache
def _others() -> tuple[Product, ...]:
    return tuple(_product(None, facts) for facts in OTHERS)


def _product(facet: str | None, facts: Mapping[str, Any]) -> Product:
    identity = facts["identity"]
    nominal = facts.get("memory_nominal")
    return Product(
        name=str(identity["product"]),
        family=str(identity.get("family") or identity["product"]),
        facet=facet,
        memory_mib=None if nominal else int(facts.get("memory_mib") or 0) or None,
        compute_capability=str(facts.get("compute_capability") or ""),
        linked=facts.get("linked_devices"),
        labels={
            name: frozenset(canonical(value) for value in values) for name, values in identity.get("labels", {}).items()
        },
        instances=identity.get("instances", {}),
        resource=str(facts.get("resource", "")),
    )
