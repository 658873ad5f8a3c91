"""What preflight says: one result a check, where each pod would go, and all of it as a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """What a check came to. `unknown` is a result of its own: a check that could not run never passes."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"  # it does not concern this recipe, with the reason
    UNKNOWN = "unknown"  # a fact is missing, with the reason


OUTCOMES: Final = (Outcome.FAIL, Outcome.WARN, Outcome.UNKNOWN, Outcome.PASS, Outcome.SKIP)
"""From what must be looked at first to what need not be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """One object and what was seen of it."""

    object: str  # Kind/namespace/name; Node//gke-1 for what has no namespace
    observed: str  # a few words: `ephemeral-storage 17Gi`
    expected: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckResult:
    """One check and what it came to."""

    code: str  # LD0801; stable, never used again for something else
    slug: str  # free-accelerators
    title: str
    category: str
    outcome: Outcome
    message: str  # a sentence with the numbers
    evidence: tuple[Evidence, ...] = ()
    remedy: tuple[str, ...] = ()  # sentences, or commands that begin with `$ `
    needs: tuple[str, ...] = ()  # sections of the inventory that it read
    doc: str = ""  # the page in guides/checks
    ignored: bool = False  # a failure that --ignore made a warning


@dataclass(frozen=True, kw_only=True, slots=True)
class PlacedPod:
    """One pod that the recipe would make, and where it fits."""

    role: str  # a role of the model servers, or the component: scheduler, proxy
    replica: int  # from 0
    pod: int  # from 0, inside the replica
    node: str | None  # None: nowhere
    reason: str  # why there, or why nowhere


@dataclass(frozen=True, kw_only=True, slots=True)
class RolePlacement:
    """How many replicas of a role fit."""

    role: str
    replicas_wanted: int
    replicas_placeable: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Where everything would go, and the one change that would make the rest fit."""

    outcome: Outcome  # pass: all fits; fail: not; unknown: nodes or pods could not be read
    reason: str = ""
    pods: tuple[PlacedPod, ...] = ()
    roles: tuple[RolePlacement, ...] = ()
    changes: tuple[str, ...] = ()  # each alone would make it fit, the smallest first
    fragmentation: str = ""  # `12 GPUs are free, no node has 8`


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """Whose Kubernetes it is."""

    name: str  # a platform facet: gke, eks, aks, ... or generic
    confidence: str  # certain | likely | unknown | stated (by --platform)
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeSummary:
    """One node, as a person asks for it."""

    name: str
    accelerator: str | None  # facet name
    product: str  # as the node names it, canonical: H100, A100-80; empty when unknown
    key: str  # the label, attribute or resource it was read from
    memory_mib: int | None  # of one device
    memory_source: str  # a key, or catalogue
    resource: str  # nvidia.com/gpu; empty where there is none
    allocatable: int
    requested: int
    free: int | None  # None: pods could not be read
    rdma: Mapping[str, str]  # resource -> allocatable
    schedulable: bool
    findings: tuple[str, ...] = ()  # codes


@dataclass(frozen=True, kw_only=True, slots=True)
class SectionSummary:
    """How reading one section of the inventory went."""

    name: str
    seen: str
    items: int
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PreflightReport:
    """All results for one recipe on one cluster. Results stand in the order of their codes."""

    recipe: str  # empty: the cluster alone was judged
    facets: Mapping[str, str]
    release: str
    namespace: str
    server: str
    version: str  # of Kubernetes; empty when unknown
    captured_at: str
    platform: Platform
    sections: tuple[SectionSummary, ...]
    nodes: tuple[NodeSummary, ...]
    placement: Placement
    results: tuple[CheckResult, ...] = field(default=())

    @property
    def counts(self) -> Mapping[str, int]:
        """Outcome -> number of results, every outcome named."""
        return {outcome.value: len(self.of(outcome)) for outcome in OUTCOMES}

    def of(self, outcome: Outcome) -> tuple[CheckResult, ...]:
        """The results with one outcome."""
        return tuple(result for result in self.results if result.outcome is outcome)
