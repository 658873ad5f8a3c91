"""What a ScaledObject asks a Prometheus, trigger by trigger. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_KIND: Final = "prometheus"


@dataclass(frozen=True, kw_only=True, slots=True)
class Trigger:
    """One question of KEDA's to a Prometheus. Source: https://keda.sh/docs/2.21/scalers/prometheus/"""

    scaled_object: str
    index: int  # among all triggers of its ScaledObject
    name: str  # as it is called there, else KEDA's name of its metric
    query: str
    address: str
    activation: str  # at zero replicas, what is above this wakes the first

    @property
    def key(self) -> str:
        """What an answer to it is kept under: `<ScaledObject>/<trigger>`."""
        return f"{self.scaled_object}/{self.name}"

    @property
    def metric(self) -> str:
        """What KEDA calls its metric, in `status.health` and in the external metrics API."""
        return _metric(self.index)


def triggers(scaled_object: Mapping[str, Any]) -> Iterator[Trigger]:
    """Every trigger that asks a Prometheus."""
    owner = str((scaled_object.get("metadata") or {}).get("name", ""))
    for index, row in enumerate((scaled_object.get("spec") or {}).get("triggers") or ()):
        if row.get("type") == _KIND:
            metadata = row.get("metadata") or {}
            yield Trigger(
                scaled_object=owner, index=index, name=str(row.get("name") or _metric(index)),
                query=str(metadata.get("query", "")), address=str(metadata.get("serverAddress", "")),
                activation=str(metadata.get("activationThreshold") or 0),
            )  # fmt: skip


def other_kinds(scaled_object: Mapping[str, Any]) -> tuple[str, ...]:
    """The types of its triggers that ask something else."""
    rows = (scaled_object.get("spec") or {}).get("triggers") or ()
    return tuple(str(row.get("type")) for row in rows if row.get("type") != _KIND)


def _metric(index: int) -> str:
    return f"s{index}-{_KIND}"
