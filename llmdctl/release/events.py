"""What a use case tells while it works. The reporter is injected; the default one says nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from llmdctl.model.release import ObjectKey, ObjectState, PodState


class Phase(StrEnum):
    """The stages, in the order of an install; an uninstall has the last two."""

    RENDER = "render"
    CHECK = "check"  # what is served, what is owned by whom, what an earlier run left
    PREFLIGHT = "preflight"  # whether the cluster can carry it
    CRDS = "crds"
    PREREQUISITES = "prerequisites"
    RELEASE = "release"
    WAIT = "wait"
    REMOVE = "remove"
    WAIT_GONE = "wait-gone"


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseStarted:
    """A stage begins."""

    phase: Phase
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseFinished:
    """A stage ended well."""

    phase: Phase
    detail: str
    elapsed_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectChanged:
    """An object was made, changed, kept or removed."""

    key: ObjectKey
    action: str  # create | change | keep | remove


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitTick:
    """How far everything is now; sent at every look, also when nothing changed."""

    objects: tuple[ObjectState, ...]
    pods: tuple[PodState, ...]
    elapsed_s: float
    left_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Noticed:
    """Something worth knowing that stops nothing."""

    message: str


Event: TypeAlias = PhaseStarted | PhaseFinished | ObjectChanged | WaitTick | Noticed
Reporter: TypeAlias = Callable[[Event], None]


def silent(event: Event) -> None:
    """The default reporter."""
