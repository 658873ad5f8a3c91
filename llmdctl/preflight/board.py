"""The nodes as pods are put on them one after another: what is left, and why a pod may not go somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from llmdctl.model.quantity import ACCELERATORS
from llmdctl.preflight.capacity import eligible
from llmdctl.preflight.devices import Wanted, allocate, devices_left, wanted
from llmdctl.preflight.topology import Topology

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case
    from llmdctl.preflight.node import Node
    from llmdctl.preflight.requests import Amounts
    from llmdctl.preflight.slices import PublishedDevice
    from llmdctl.preflight.workload import PodTemplate

Item = Mapping[str, Any]
EXCLUSIVE: Final = "leaderworkerset.sigs.k8s.io/exclusive-topology"
GROUP_KEY: Final = "leaderworkerset.sigs.k8s.io/group-key"  # on every pod of every group
"""https://github.com/kubernetes-sigs/lws/blob/v0.9.0/pkg/webhooks/pod_webhook.go (SetExclusiveAffinities)"""
SLICE: Final = "cloud.google.com/gke-nodepool"
"""A multi-host TPU slice is one node pool: https://cloud.google.com/kubernetes-engine/docs/concepts/tpus#terminology"""
TPU: Final = "google.com/tpu"
_NETWORK: Final = "networking.gke.io.networks/"


@dataclass(frozen=True, kw_only=True, eq=False)
class Sort:
    """Pods of one template as the board sees them."""

    number: int
    template: PodTemplate
    need: tuple[int, ...]  # by the board's resources
    needed: tuple[tuple[int, int], ...]  # (resource, number), without those of which nothing is asked
    refusals: tuple[str, ...]  # by node; empty where it may go
    wanted: Wanted
    ports: frozenset[tuple[str, str, int]]
    domain: str  # node label of which a whole group takes one value; empty: none
    group: bool  # of a LeaderWorkerSet
    main: int  # the resource that decides the best fit; -1: its claims do


@dataclass(kw_only=True)
class Put:
    """One pod on one node, with what taking it away gives back."""

    sort: Sort
    node: int
    unit: int
    before: tuple[PublishedDevice, ...] = ()  # devices of the node that were unheld


@dataclass
class _Domain:
    """Who is in one value of an exclusive label."""

    units: dict[int, int] = field(default_factory=dict)  # unit -> its pods; -1: groups that run already
    owner: int | None = None  # the unit that has it for itself


class Board:
    """Numbers are whole: thousandths of a core, bytes, devices; as the scheduler counts."""

    def __init__(
        self, case: Case, templates: tuple[PodTemplate, ...], *, left: Mapping[str, Amounts] | None = None
    ) -> None:
        """Everything that is asked again and again, once. Raises UnknowableError."""
        self.case = case
        self.nodes = case.nodes
        asked = [
            {**template.requests, **_networks(self.nodes, template), "pods": Fraction(1)} for template in templates
        ]
        self.resources = tuple(sorted({name for each in asked for name, number in each.items() if number}))
        left = case.free if left is None else left
        rows = (left[node.name] for node in self.nodes)
        self.free = [[_down(name, row.get(name)) for name in self.resources] for row in rows]
        self.start = [tuple(each) for each in self.free]  # before anything of the recipe is placed
        running = case.occupants
        self.topology = Topology(case, templates)
        self.sorts = tuple(self._sort(i, template, asked[i]) for i, template in enumerate(templates))
        self._devices = self._unheld()
        self._answers: dict[tuple[int, tuple[PublishedDevice, ...]], tuple[PublishedDevice, ...] | None] = {}
        self._ports = self._used_ports(running)
        self._domains = {s.domain: self._occupied(s.domain, running) for s in self.sorts if s.domain}
        self._accelerators = tuple(i for i, name in enumerate(self.resources) if name in ACCELERATORS)
        self._has_accelerators = [any(name in n.allocatable for name in ACCELERATORS) for n in self.nodes]

    def refuses(self, sort: Sort, node: int, unit: int) -> str:
        """Why a pod may not go there now; empty where it may."""
        free = self.free[node]
        for i, number in sort.needed:
            if free[i] < number:
                return self.resources[i]
        if sort.refusals[node]:
            return sort.refusals[node]
        return self._beside(sort, node, unit)

    def put(self, sort: Sort, node: int, unit: int) -> Put:
        """Put a pod that `refuses` accepted."""
        self._count(sort, node, 1)
        before = self._devices[node]
        devices = self._answer(sort, node)
        if devices:
            self._devices[node] = tuple(d for d in before if d not in devices)
        self._enter(sort, node, unit, 1)
        return Put(sort=sort, node=node, unit=unit, before=before)

    def take(self, put: Put) -> None:
        """Take the pod away that was put last."""
        self._count(put.sort, put.node, -1)
        self._devices[put.node] = put.before
        self._enter(put.sort, put.node, put.unit, -1)

    def order(self, sort: Sort, node: int) -> tuple[int, ...]:
        """Best fit first: the node with the least left; pods without accelerators keep off nodes that have some."""
        free = self.free[node]
        if sort.main >= 0 and self.resources[sort.main] not in ("cpu", "memory"):
            return (0, free[sort.main], sum(free), node)
        if sort.wanted.requests:
            return (0, len(self._devices[node]), sum(free), node)
        return (self._has_accelerators[node], free[sort.main], sum(free), node)

    def signature(self, sort: Sort, node: int) -> tuple[object, ...]:
        """Nodes with one signature are the same for whatever is still to be placed."""
        where = tuple(self.nodes[node].labels.get(key) for key in self._domains)
        may = tuple(each.refusals[node] == "" for each in self.sorts)
        return (
            tuple(self.free[node]), may, where, self.topology.signature(node), self._devices[node],
            frozenset(self._ports[node]) if self._ports[node] else None, sort.number,
        )  # fmt: skip

    def room(self, sort: Sort, node: int) -> int:
        """How many such pods a node could take by its resources alone."""
        if sort.refusals[node]:
            return 0
        free = self.free[node]
        return max(0, min((free[i] // number for i, number in sort.needed), default=0))

    def domain(self, sort: Sort, node: int) -> str | None:
        """The value of the label of which the pod's group takes one."""
        return self.nodes[node].labels.get(sort.domain)

    def _beside(self, sort: Sort, node: int, unit: int) -> str:
        """What other pods keep from it."""
        if sort.ports and any(_clash(own, used) for own in sort.ports for used in self._ports[node]):
            return "host port in use"
        reason = self.topology.refuses(sort.number, node)
        if reason:
            return reason
        if sort.group or sort.domain:
            reason = self._closed(sort, node, unit)
            if reason:
                return reason
        if sort.wanted.requests and self._answer(sort, node) is None:
            return "no free devices for its claims"
        return ""

    def _closed(self, sort: Sort, node: int, unit: int) -> str:
        """Whether exclusive groups keep a group's pod from the node's domain."""
        for key, domains in self._domains.items():
            value = self.nodes[node].labels.get(key)
            if value is None:
                if key == sort.domain:
                    return f"no label {key}"
                continue
            found = domains.get(value)
            if found is None:
                continue
            if found.owner not in (None, unit) and sort.group:
                return f"{key}={value} is another group's"
            if key == sort.domain and any(other != unit and count for other, count in found.units.items()):
                return f"{key}={value} is another group's"
        return ""

    def _answer(self, sort: Sort, node: int) -> tuple[PublishedDevice, ...] | None:
        if not sort.wanted.requests:
            return None
        key = (sort.number, self._devices[node])
        if key not in self._answers:
            self._answers[key] = allocate(sort.wanted, self._devices[node])
        return self._answers[key]

    def _count(self, sort: Sort, node: int, number: int) -> None:
        free = self.free[node]
        for i, amount in enumerate(sort.need):
            free[i] -= amount * number
        if sort.ports:
            self._ports[node] = self._ports[node] | sort.ports if number > 0 else self._ports[node] - sort.ports
        self.topology.put(sort.number, node, number)

    def _enter(self, sort: Sort, node: int, unit: int, number: int) -> None:
        if not sort.group and not sort.domain:
            return
        for key, domains in self._domains.items():
            value = self.nodes[node].labels.get(key)
            if value is None:
                continue
            found = domains.setdefault(value, _Domain())
            found.units[unit] = found.units.get(unit, 0) + number
            if key == sort.domain:
                found.owner = unit if found.units[unit] else None

    def _sort(self, number: int, template: PodTemplate, asked: Amounts) -> Sort:
        group = template.workload.get("kind") == "LeaderWorkerSet"
        metadata = template.workload["metadata"]
        exclusive = str((metadata.get("annotations") or {}).get(EXCLUSIVE) or "") if group else ""
        sliced = SLICE if template.group_size > 1 and TPU in asked else ""
        need = tuple(_up(name, asked.get(name)) for name in self.resources)
        return Sort(
            number=number,
            template=template,
            need=need,
            needed=tuple((i, number) for i, number in enumerate(need) if number),
            refusals=tuple(eligible(self.case, template).values()),
            wanted=wanted(self.case, template.spec),
            ports=frozenset(host_ports(template.spec)),
            domain=exclusive or sliced,
            group=group,
            main=self._main(template, asked),
        )

    def _main(self, template: PodTemplate, asked: Amounts) -> int:
        devices = [i for i, name in enumerate(self.resources) if asked.get(name) and name in ACCELERATORS]
        others = [i for i, name in enumerate(self.resources) if asked.get(name) and is_extended(name)]
        if devices or others:
            return (devices or others)[0]
        if template.spec.get("resourceClaims"):
            return -1
        return self.resources.index("cpu") if asked.get("cpu") else 0

    def _unheld(self) -> list[tuple[PublishedDevice, ...]]:
        if not any(sort.wanted.requests for sort in self.sorts):
            return [()] * len(self.nodes)
        left = devices_left(self.case)
        return [left.get(node.name, ()) for node in self.nodes]

    def _used_ports(self, running: Iterable[tuple[str, Item]]) -> list[frozenset[tuple[str, str, int]]]:
        used: dict[str, set[tuple[str, str, int]]] = {}
        if any(sort.ports for sort in self.sorts):
            for name, pod in running:
                used.setdefault(name, set()).update(host_ports(pod.get("spec") or {}))
        return [frozenset(used.get(node.name, ())) for node in self.nodes]

    def _occupied(self, key: str, running: Iterable[tuple[str, Item]]) -> dict[str, _Domain]:
        """Domains with groups of the namespace, and TPU slices of which anything is used."""
        by_name = {node.name: node for node in self.nodes}
        found: dict[str, _Domain] = {}
        for name, pod in running:
            metadata = pod.get("metadata") or {}
            grouped = GROUP_KEY in (metadata.get("labels") or {}) and metadata.get("namespace") == self.case.namespace
            value = by_name[name].labels.get(key) if name in by_name else None
            if value is not None and (grouped or (key == SLICE and _uses_tpu(pod))):
                found.setdefault(value, _Domain()).units[-1] = 1
        return found


def _networks(nodes: Iterable[Node], template: PodTemplate) -> Amounts:
    """One of each network that a pod names to GKE, whose webhook makes a request of it, in the form that nodes offer.

    https://cloud.google.com/kubernetes-engine/docs/how-to/setup-multinetwork-support-for-pods
    """
    stated = template.annotations.get("networking.gke.io/interfaces", "")
    names = [f"{_NETWORK}{name}" for name in re.findall(r'"network"\s*:\s*"([^"]+)"', stated) if name != "default"]
    offered = {name for node in nodes for name in node.allocatable if name.startswith(_NETWORK)} if names else set()
    forms = (form for name in names for form in (name, f"{name}.IP"))
    return {form: Fraction(1) for form in forms if form in offered}


def host_ports(spec: Item) -> Iterator[tuple[str, str, int]]:
    """(address, protocol, port) that a pod takes of its node."""
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in (*sidecars, *(spec.get("containers") or ())):
        for port in container.get("ports") or ():
            number = port.get("hostPort") or (port.get("containerPort") if spec.get("hostNetwork") else None)
            if number:
                yield str(port.get("hostIP") or "0.0.0.0"), str(port.get("protocol") or "TCP"), int(number)


def _clash(one: tuple[str, str, int], other: tuple[str, str, int]) -> bool:
    """The address 0.0.0.0 is every address."""
    return one[1:] == other[1:] and (one[0] == other[0] or "0.0.0.0" in (one[0], other[0]))


def is_extended(name: str) -> bool:
    """Whether a resource is a device or another countable thing that a plugin brings."""
    return "/" in name


def _uses_tpu(pod: Item) -> bool:
    containers = (pod.get("spec") or {}).get("containers") or ()
    return any(TPU in ((c.get("resources") or {}).get("limits") or {}) for c in containers)


def _up(name: str, number: Fraction | None) -> int:
    return ceil((number or 0) * (1000 if name == "cpu" else 1))


def _down(name: str, number: Fraction | None) -> int:
    if number is None:
        return 0
    return number.numerator * (1000 if name == "cpu" else 1) // number.denominator
