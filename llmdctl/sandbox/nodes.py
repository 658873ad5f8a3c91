"""Simulated nodes, as an accelerator facet describes the real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llmdctl.errors import UsageError

SIMULATED = "kwok.x-k8s.io/node"  # annotation and label; kwok manages exactly the nodes that carry it
ACCELERATOR = "llmdctl.dev/simulated-accelerator"  # label of every node, the real one too: its devices are claimed
REAL = "llmdctl.dev/real-node"  # label of the one node whose containers run
_MAX_COUNT = 500
_DEFAULT_RESOURCES = {"cpu": "32", "memory": "128Gi", "ephemeral-storage": "500Gi", "pods": "110"}
_SYSTEM_DEFAULTS = {
    "architecture": "amd64",
    "operatingSystem": "linux",
    "kernelVersion": "6.8.0-simulated",
    "osImage": "Simulated Linux",
    "containerRuntimeVersion": "containerd://2.1.0",
    "kubeletVersion": "v1.34.4",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedNodes:
    """`count` nodes of one accelerator. `template` is the facet's `node:` block; see `node_from_facet`."""

    accelerator: str
    count: int
    template: Mapping[str, Any]
    extra_allocatable: Mapping[str, str] = field(default_factory=dict)

    def objects(self, kubelet_port: int) -> list[dict[str, Any]]:
        """The Node objects, numbered from 0."""
        return [
            node_from_facet(
                self.template,
                index,
                accelerator=self.accelerator,
                extra_allocatable=self.extra_allocatable,
                kubelet_port=kubelet_port,
            )
            for index in range(self.count)
        ]


def parse_counts(text: str) -> dict[str, int]:
    """`h200=2,l4=4,cpu` as {"h200": 2, "l4": 4, "cpu": 1}. Raises UsageError with the part that cannot be read."""
    counts: dict[str, int] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, separator, number = part.partition("=")
        if not name or (separator and not number.isdecimal()) or name in counts:
            raise UsageError(f"'{part}' is not a number of nodes", remedy="Write --nodes h200=2,l4=4,cpu=1.")
        counts[name] = int(number) if separator else 1
        if not 0 < counts[name] <= _MAX_COUNT:
            raise UsageError(f"'{part}': 1 to {_MAX_COUNT} nodes of one kind can be simulated")
    if not counts:
        raise UsageError("no node is asked for", remedy="Write --nodes h200=2,cpu=1.")
    return counts


def node_from_facet(
    template: Mapping[str, Any],
    index: int,
    *,
    accelerator: str,
    extra_allocatable: Mapping[str, str] | None = None,
    kubelet_port: int,
) -> dict[str, Any]:
    """One Node from a facet's `node:` block: {labels, taints, capacity, allocatable, system}, all optional.

    `extra_allocatable` adds what a fabric's device plugin would offer, such as {"rdma/ib": "8"}. The address and
    port are kwok's: the API server asks there for the logs of the node's pods.
    """
    name = f"{accelerator}-{index}"
    system = _SYSTEM_DEFAULTS | _strings(template.get("system"))
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/arch": system["architecture"],
        "kubernetes.io/os": system["operatingSystem"],
        SIMULATED: "fake",
        ACCELERATOR: accelerator,
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": labels | _strings(template.get("labels")),
            "annotations": {SIMULATED: "fake"},
        },
        "spec": {"taints": _taints(template.get("taints") or [])},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet_port}},
            "nodeInfo": _node_info(system),
            **_resources(template, dict(extra_allocatable or {})),
        },
    }


def _resources(template: Mapping[str, Any], extra: dict[str, str]) -> dict[str, dict[str, str]]:
    capacity = _DEFAULT_RESOURCES | _strings(template.get("capacity")) | extra
    return {"capacity": capacity, "allocatable": capacity | _strings(template.get("allocatable")) | extra}


def _node_info(system: dict[str, str]) -> dict[str, str]:
    unknown = {"machineID": "", "systemUUID": "", "bootID": ""}  # required by the API, and nobody's business here
    return system | {"kubeProxyVersion": system["kubeletVersion"]} | unknown


def _taints(taints: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [{key: str(value) for key, value in taint.items()} for taint in taints]


def _strings(values: Mapping[str, Any] | None) -> dict[str, str]:
    """Quantities and labels are strings in the API, whatever a YAML file made of them."""
    return {key: str(value) for key, value in (values or {}).items()}
