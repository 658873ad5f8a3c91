"""What a person asks for: a well-lit path, one facet per axis, and their own changes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

AXES: Final = (
    "model",
    "accelerator",
    "engine",
    "fabric",
    "kv_tier",
    "scheduling",
    "prefix_index",
    "flow_control",
    "gateway",
    "autoscaler",
    "metrics",
    "platform",
)
"""The axes in layer order: a later one is laid over an earlier one."""


def spoken(axis: str) -> str:
    """An axis as people say it: `kv tier`."""
    return axis.replace("_", " ")


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """One path and, per axis, the name of a facet; None takes the path's default."""

    path: str
    model: str | None = None
    accelerator: str | None = None
    engine: str | None = None
    fabric: str | None = None
    kv_tier: str | None = None
    scheduling: str | None = None
    prefix_index: str | None = None
    flow_control: str | None = None
    gateway: str | None = None
    autoscaler: str | None = None
    metrics: str | None = None
    platform: str | None = None

    def chosen(self) -> dict[str, str]:
        """The axes that are set, by name, in layer order."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {axis: named[axis] for axis in AXES if named[axis] is not None}


@dataclass(frozen=True, kw_only=True, slots=True)
class Overrides:
    """A person's own changes, later ones win: files, then `--role`, then `--set`."""

    files: tuple[Path, ...] = ()
    role_settings: tuple[str, ...] = ()  # `prefill.replicas=4`, read like --set modelserver.roles.prefill.replicas=4
    sets: tuple[str, ...] = ()  # `a.b=c`, Helm's --set grammar
    force: bool = False  # go on with a combination marked known-bad
