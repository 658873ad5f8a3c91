"""A node as checks read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from llmdctl.preflight.requests import Amounts, amounts

Item = Mapping[str, Any]
_TEXT: Final = frozenset({str})
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
        for row in tolerations if isinstance(tolerations, (list, tuple)) else ():
            if isinstance(row, Mapping) and self._tolerated(row):
                return True
        return False

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

    @cached_property
    def name(self) -> str:
        return str(_mapping(self.item, "metadata").get("name", ""))

    @property
    def identity(self) -> str:
        """As evidence names it."""
        return f"Node//{self.name}"

    @cached_property
    def labels(self) -> Mapping[str, str]:
        return _texts(_mapping(self.item, "metadata"), "labels")

    @cached_property
    def annotations(self) -> Mapping[str, str]:
        return _texts(_mapping(self.item, "metadata"), "annotations")

    @cached_property
    def info(self) -> Mapping[str, str]:
        """`status.nodeInfo`."""
        return _texts(_mapping(self.item, "status"), "nodeInfo")

    @cached_property
    def allocatable(self) -> Amounts:
        return amounts(_mapping(self.item, "status").get("allocatable"))

    @property
    def written(self) -> Mapping[str, str]:
        """`status.allocatable` as it is written: `1k`, `96Gi`."""
        return _texts(_mapping(self.item, "status"), "allocatable")

    @cached_property
    def capacity(self) -> Amounts:
        return amounts(_mapping(self.item, "status").get("capacity"))

    @cached_property
    def taints(self) -> tuple[Taint, ...]:
        rows = _rows(_mapping(self.item, "spec"), "taints")
        return tuple(
            Taint(key=str(row.get("key", "")), value=str(row.get("value") or ""), effect=str(row.get("effect", "")))
            for row in rows
        )

    @cached_property
    def repelling(self) -> tuple[Taint, ...]:
        """The taints that keep a pod away; PreferNoSchedule does not."""
        return tuple(taint for taint in self.taints if taint.effect in _KEEPS_AWAY)

    @cached_property
    def conditions(self) -> Mapping[str, str]:
        """Type -> True, False or Unknown."""
        rows = _rows(_mapping(self.item, "status"), "conditions")
        return {str(row.get("type")): str(row.get("status")) for row in rows}

    @property
    def provider(self) -> str:
        """`spec.providerID`: whose machine it is, such as kind://."""
        return str(_mapping(self.item, "spec").get("providerID") or "")

    @property
    def ready(self) -> bool:
        return self.conditions.get("Ready") == "True"

    @cached_property
    def cordoned(self) -> bool:
        return bool(_mapping(self.item, "spec").get("unschedulable"))


def _mapping(outer: Item, key: str) -> Item:
    """What stands there, nothing where it is something else: files are written by hand too."""
    inner = outer.get(key)
    if type(inner) is dict or isinstance(inner, Mapping):  # the second asks an abstract class, which is slow
        return inner
    return {}


def _texts(outer: Item, key: str) -> Mapping[str, str]:
    """Labels and the like; a number that somebody wrote without quotes is its text."""
    inner = _mapping(outer, key)
    if _TEXT.issuperset(map(type, inner.values())):  # of 75 labels on each of thousands of nodes
        return inner
    return {str(name): str(value) for name, value in inner.items() if isinstance(value, (str, int, float))}


def _rows(outer: Item, key: str) -> list[Item]:
    inner = outer.get(key)
    return [row for row in inner if isinstance(row, Mapping)] if isinstance(inner, (list, tuple)) else []
