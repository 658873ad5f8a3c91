"""A node as checks read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from llmdctl.preflight.requests import Amounts, amounts

Item = Mapping[str, Any]
_KEEPS_AWAY: Final = frozenset({"NoSchedule", "NoExecute"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Taint:
    """What keeps pods away that do not tolerate it."""

    key: str
    value: str
    effect: str

    def __str__(self) -> str:
        return f"{self.key}={self.value}:{self.effect}" if self.value else f"{self.key}:{self.effect}"

    def tolerated(self, tolerations: object) -> bool:
        """Whether a pod's tolerations accept it, by the scheduler's rule (an empty key with Exists tolerates all)."""
        rows = tolerations if isinstance(tolerations, (list, tuple)) else ()
        return any(self._tolerated(row) for row in rows if isinstance(row, Mapping))

    def _tolerated(self, toleration: Item) -> bool:
        if toleration.get("effect") not in (None, "", self.effect):
            return False
        exists = toleration.get("operator") == "Exists"
        if toleration.get("key") in (None, ""):
            return exists
        same = toleration.get("key") == self.key
        return same and (exists or str(toleration.get("value") or "") == self.value)


@dataclass(frozen=True, kw_only=True)
class Node:
    """One Node object."""

    item: Item

    @property
    def name(self) -> str:
        return str((self.item.get("metadata") or {}).get("name", ""))

    @property
    def identity(self) -> str:
        """As evidence names it."""
        return f"Node//{self.name}"

    @property
    def labels(self) -> Mapping[str, str]:
        return (self.item.get("metadata") or {}).get("labels") or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        return (self.item.get("metadata") or {}).get("annotations") or {}

    @property
    def info(self) -> Mapping[str, str]:
        """`status.nodeInfo`."""
        return (self.item.get("status") or {}).get("nodeInfo") or {}

    @cached_property
    def allocatable(self) -> Amounts:
        return amounts((self.item.get("status") or {}).get("allocatable"))

    @cached_property
    def capacity(self) -> Amounts:
        return amounts((self.item.get("status") or {}).get("capacity"))

    @cached_property
    def taints(self) -> tuple[Taint, ...]:
        rows = (self.item.get("spec") or {}).get("taints") or ()
        return tuple(
            Taint(key=str(row.get("key", "")), value=str(row.get("value") or ""), effect=str(row.get("effect", "")))
            for row in rows
        )

    @property
    def repelling(self) -> tuple[Taint, ...]:
        """The taints that keep a pod away; PreferNoSchedule does not."""
        return tuple(taint for taint in self.taints if taint.effect in _KEEPS_AWAY)

    @cached_property
    def conditions(self) -> Mapping[str, str]:
        """Type -> True, False or Unknown."""
        rows = (self.item.get("status") or {}).get("conditions") or ()
        return {str(row.get("type")): str(row.get("status")) for row in rows}

    @property
    def ready(self) -> bool:
        return self.conditions.get("Ready") == "True"

    @property
    def cordoned(self) -> bool:
        return bool((self.item.get("spec") or {}).get("unschedulable"))
