"""A composed recipe: one path, one facet of each axis and a person's changes, laid over each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from llmdctl.model.document import Mark
from llmdctl.model.release import Prerequisite

ROLES: Final = ("aggregate", "prefill", "decode", "encode")
"""Every role a model server can have."""

EVIDENCE_LEVELS: Final = ("nightly", "benchmarked", "overlay", "derived", "known-bad")
"""From the strongest to the weakest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RoleSpec:
    """One role of the model servers, as it will run: after every facet and every change of the user."""

    name: str
    workload: str  # Deployment | LeaderWorkerSet
    autoscaled: bool
    replicas: int  # an LWS group counts once
    tensor: int
    pipeline: int
    data: int
    nodes: int  # pods of one replica
    max_model_len: int  # tokens; 0 = the model's own limit

    @property
    def accelerators_per_replica(self) -> int:
        """tensor x pipeline x data."""
        return self.tensor * self.pipeline * self.data

    @property
    def accelerators_per_pod(self) -> int:
        """What one pod asks for; the chart computes the same number."""
        return self.accelerators_per_replica // self.nodes


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """How well a composed cell is known."""

    level: str  # one of EVIDENCE_LEVELS
    link: str | None = None  # the run, report or file that is cited
    reason: str = ""
    differences: tuple[str, ...] = ()  # our cell against what is cited


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One thing that states values: a file, a `when:` block of it, or an argument."""

    name: str  # chart, path, an axis, user, --role, --set, computed
    source: str  # a file as shown to people, or the argument
    values: Mapping[str, Any]  # expressions as they are written
    mark: Mark | None = None  # where `values` stand in the file
    when: str = ""  # the condition of a `when:` block, such as `engine=vllm`

    @property
    def label(self) -> str:
        """The name with its condition: `engine when role=prefill`."""
        return f"{self.name} when {self.when}" if self.when else self.name

    def states(self, path: Sequence[str]) -> bool:
        """Whether this layer has the key at `path`, whatever its value."""
        values: Any = self.values
        for step in path:
            if not isinstance(values, Mapping) or step not in values:
                return False
            values = values[step]
        return True

    def place(self, path: tuple[str, ...]) -> str:
        """`file:line` of the value at `path`, or the argument."""
        return f"{self.source}:{self.mark.at(path).line}" if self.mark else self.source


def locate(layers: Sequence[Layer], path: Sequence[str | int]) -> tuple[str | None, int | None]:
    """The file and line (or argument and None) of the last layer that says something about `path` or above it."""
    keys = tuple(step for step in path if isinstance(step, str))
    for length in range(len(keys), 0, -1):
        for layer in reversed(layers):
            if layer.states(keys[:length]):
                return layer.source, layer.mark.at(path).line if layer.mark else None
    return None, None


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """What one layer says about one key."""

    layer: str
    place: str  # file:line, or the argument
    value: Any  # as written; an expression is not evaluated here


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """One key of the composed values and everything that was said about it; the last statement won."""

    key: str  # such as modelserver.roles.decode.replicas
    value: Any
    layers: tuple[Statement, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """A cell (path x facets), composed. `values` are the umbrella chart's, without what is computed from facts."""

    path: str
    title: str
    facets: Mapping[str, str]  # axis -> name of the facet, in layer order
    facts: Mapping[str, Mapping[str, Any]]  # axis -> the facet's facts
    versions: str  # the set of versions in use
    roles: tuple[RoleSpec, ...]
    values: Mapping[str, Any]
    layers: tuple[Layer, ...]  # in the order they were laid over each other
    evidence: Evidence
    prerequisites: tuple[Prerequisite, ...] = ()
    warnings: tuple[str, ...] = ()
    forced: bool = False  # known-bad, and the user goes on
    node: Mapping[str, Any] = field(default_factory=dict)  # what a node with the accelerator shows
    overridden: frozenset[tuple[str, ...]] = field(default_factory=frozenset)  # leaf keys that the user has set

    def role(self, name: str) -> RoleSpec | None:
        """The role called `name`, if the recipe has it."""
        return next((role for role in self.roles if role.name == name), None)
