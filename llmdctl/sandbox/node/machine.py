"""What the real node stands for: an accelerator facet's machine, or as many as its devices need."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llmdctl.errors import UsageError
from llmdctl.sandbox.node import capacity
from llmdctl.sandbox.nodes import ACCELERATOR, REAL

_MAX_DEVICES = 64
_MAX_PODS = 240  # addresses of its pod range, less those that are not for pods


@dataclass(frozen=True, kw_only=True, slots=True)
class RealNode:
    """One real node with `devices` accelerators. `template` is the facet's `node:` block, `resource` their name."""

    accelerator: str
    template: Mapping[str, Any]
    resource: str
    devices: int

    @property
    def name(self) -> str:
        """The node's name in the cluster."""
        return f"{self.accelerator}-real"

    @property
    def machines(self) -> int:
        """How many machines of the facet's shape hold the devices: the node is as large as all of them."""
        each = int(self.template.get("count_per_node") or 0)
        return max(1, math.ceil(self.devices / each)) if each else 1

    @property
    def capacity(self) -> capacity.Capacity:
        """What kubelet is to believe."""
        return capacity.of_machines(self._quantities("capacity"), self._quantities("allocatable"), self.machines)

    @property
    def pods(self) -> int:
        """How many pods it takes."""
        return min(_MAX_PODS, int(self._quantities("capacity").get("pods", "110")) * self.machines)

    def resources(self) -> dict[str, str]:
        """What kubelet does not report: accelerators, what a fabric's device plugin offers, and the disk.

        Quantities for the node's `capacity`; kubelet takes them over into `allocatable`.
        """
        per_machine = self._quantities("allocatable") or self._quantities("capacity")
        offered = {name: str(int(amount) * self.machines) for name, amount in per_machine.items() if "/" in name}
        disk = capacity.quantity(per_machine.get("ephemeral-storage", "500Gi")) * self.machines
        own = {self.resource: str(self.devices)} if self.devices else {}
        return offered | own | {"ephemeral-storage": str(int(disk))}

    def labels(self) -> dict[str, str]:
        """The facet's labels, with the number of devices that this node has."""
        labels = {name: str(value) for name, value in (self.template.get("labels") or {}).items()}
        count = f"{self.resource}.count"
        if count in labels:
            labels[count] = str(self.devices)
        return labels | {REAL: "true", ACCELERATOR: self.accelerator}

    def _quantities(self, block: str) -> dict[str, str]:
        defaults = {"cpu": "32", "memory": "128Gi"} if block == "capacity" else {}
        return defaults | {name: str(value) for name, value in (self.template.get(block) or {}).items()}


def parse(text: str) -> tuple[str, int | None]:
    """`h200=16` as ("h200", 16), `l4` as ("l4", None): as many as one machine has. Raises UsageError."""
    name, separator, number = text.strip().partition("=")
    if not name or (separator and not (number.isdecimal() and 0 < int(number) <= _MAX_DEVICES)):
        raise UsageError(
            f"'{text}' is not a real node", remedy=f"Write --real KIND or --real KIND=1 to {_MAX_DEVICES}."
        )
    return name, int(number) if separator else None


def machine(accelerator: str, devices: int | None, *, template: Mapping[str, Any], resource: str) -> RealNode:
    """A real node of this facet with `devices`, or one machine's worth. Raises UsageError for devices of none."""
    each = int(template.get("count_per_node") or 0)
    if not each and devices:
        raise UsageError(f"a machine of '{accelerator}' has no devices", remedy=f"Write --real {accelerator}.")
    return RealNode(
        accelerator=accelerator, template=template, resource=resource, devices=each if devices is None else devices
    )
