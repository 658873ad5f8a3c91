"""A release: what Helm is asked to install, and what is seen of it afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class PrerequisiteChart:
    """One chart of a controller that is installed before any release."""

    name: str  # also the name of its own release
    version: str
    reference: str | None = None  # `oci://…`; else the chart is in `repository`
    repository: str | None = None  # `https://…`
    values: Mapping[str, Any] = field(default_factory=dict)
    skip_crds: bool = False  # not those of the chart's folder `crds`: the pinned ones are applied instead


@dataclass(frozen=True, kw_only=True, slots=True)
class Prerequisite:
    """Something shared that must be in the cluster first and that no release owns."""

    name: str  # the key in versions.yaml, such as `gateway-api`
    title: str
    kind: str  # crds | controller | platform (installed by the platform, never by us)
    version: str
    crds: tuple[str, ...] = ()  # full names, such as `inferencepools.inference.networking.k8s.io`
    manifest: str | None = None  # the address of the CRDs, for `crds`
    charts: tuple[PrerequisiteChart, ...] = ()  # in the order of installation, for `controller`
    namespace: str | None = None
    api_services: tuple[str, ...] = ()  # API services that only one owner in a cluster can have
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseSpec:
    """Everything Helm needs, and nothing that it does not."""

    name: str
    namespace: str
    chart: Path
    values: Mapping[str, Any]
    recipe: str
    facets: Mapping[str, str]  # axis -> facet name, as composed
    evidence: str  # nightly | benchmarked | overlay | derived | known-bad
    prerequisites: tuple[Prerequisite, ...] = ()
    startup_s: int = 3600  # longest time a model server may take to load; bounds the default --timeout
    forced: bool = False
    overruled: tuple[str, ...] = ()  # codes of checks that failed in preflight, and that somebody went over


class Readiness(StrEnum):
    """How far an object is; `unknown` is never shown as ready."""

    READY = "ready"
    PROGRESSING = "progressing"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectKey:
    """What names one object in a cluster."""

    api_version: str
    kind: str
    namespace: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectState:
    """One object of a release with its readiness and the reason in words."""

    key: ObjectKey
    readiness: Readiness
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PodState:
    """One pod of a release, as a person wants to see it."""

    name: str
    role: str
    node: str | None
    phase: str
    ready: bool
    restarts: int
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseStatus:
    """A release as it is in the cluster now."""

    name: str
    namespace: str
    recipe: str
    helm_status: str  # deployed, pending-install, failed, not-found
    revision: int
    objects: tuple[ObjectState, ...]
    pods: tuple[PodState, ...]
    endpoint: str | None  # the address a client uses, with scheme and port
    readiness: Readiness
    forced: bool = False  # a known-bad combination, or checks that failed, and somebody went on
    overruled: tuple[str, ...] = ()  # the codes of those checks


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectChange:
    """How one object differs between what is installed and what would be."""

    key: ObjectKey
    action: str  # create | change | remove
    lines: tuple[str, ...] = ()  # unified diff of the YAML, secrets masked
