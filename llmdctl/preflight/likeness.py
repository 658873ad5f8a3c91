"""What of a node decides what it is: nodes of one pool are alike, and are judged once."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from functools import lru_cache
from typing import Final

from llmdctl.preflight.node import Node

_DECIDING: Final = (
    "nvidia.com/", "gpu.nvidia.com/", "amd.com/", "beta.amd.com/", "operator.amd.com/", "gpu.intel.com/",
    "cloud.google.com/", "eks.amazonaws.com/", "karpenter.", "doks.digitalocean.com/",
    "feature.node.kubernetes.io/pci-", "node.kubernetes.io/instance-type",
)  # fmt: skip
"""Prefixes of the labels that tell what a node's accelerators are or what speaks against it."""


def likeness(node: Node, vocabularies: Collection[str]) -> Hashable:
    """Equal for nodes of which the same is to be said, their names aside; `vocabularies` are labels of facets."""
    labels = node.labels
    return (
        tuple((key, labels[key]) for key in _deciding(tuple(labels), frozenset(vocabularies))),
        tuple(node.written.items()),
        tuple(node.conditions.items()),
        node.cordoned,
    )


@lru_cache(maxsize=512)
def _deciding(labels: tuple[str, ...], vocabularies: frozenset[str]) -> tuple[str, ...]:
    """Nodes of one pool have the same labels in the same order, so few tuples are seen."""
    return tuple(label for label in labels if label in vocabularies or label.startswith(_DECIDING))
