"""What a sandbox looks like from outside, as plain data for the command line and for `-o json`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from llmdctl.errors import ClusterError
from llmdctl.sandbox import definitions, furnish
from llmdctl.sandbox.api import Api, Object
from llmdctl.sandbox.home import Home
from llmdctl.sandbox.nodes import ACCELERATOR, REAL
from llmdctl.sandbox.record import Record

NOTICE = (
    "Pods here are placed by the real scheduler and shown as Ready, but no container runs: "
    "no model is served in a sandbox of simulated nodes."
)
REAL_NOTICE = (
    "Pods on node {node} really run, with images made on this machine: requests travel through the real endpoint "
    "picker, sidecar and proxy, and a simulated engine answers. No model computes anything."
)


class State(Enum):
    """How far a sandbox is."""

    UP = "up"
    INCOMPLETE = "incomplete"  # an `up` was interrupted, or is going on
    BROKEN = "broken"  # a process has ended


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessStatus:
    """One component."""

    component: str
    pid: int
    version: str
    program: str
    alive: bool
    log: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeStatus:
    """One node. `accelerators` are its extended resources, such as {"nvidia.com/gpu": "8"}.

    Containers run on a `real` one; the others are simulated.
    """

    name: str
    accelerator: str
    ready: bool
    real: bool
    accelerators: dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Definitions:
    """How many CRDs are loaded, and which of them no Go module defines, so that we wrote them from documentation."""

    total: int
    written_from_documentation: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SandboxStatus:
    """A whole sandbox. `kubeconfig`, `context` and `server` are how to reach it.

    `values` is the file of chart values that name the images of a real node; None where all nodes are simulated.
    """

    name: str
    state: State
    home: Path
    kubeconfig: Path
    context: str
    server: str
    kubernetes_version: str
    ports: dict[str, int]
    processes: tuple[ProcessStatus, ...]
    nodes: tuple[NodeStatus, ...]
    definitions: Definitions
    values: Path | None = None
    notice: str = NOTICE


def describe(place: Home, record: Record | None, api: Api | None) -> SandboxStatus:
    """The status from the record, and from the cluster as far as it answers."""
    processes = tuple(
        ProcessStatus(
            component=process.component,
            pid=process.pid,
            version=process.version,
            program=process.program,
            alive=process.alive,
            log=str(place.log_of(process.component)),
        )
        for process in (record.processes if record else ())
    )
    ports = {name: getattr(record.ports, name) for name in record.ports.__slots__} if record else {}
    nodes, loaded, version = _inside(api)
    return SandboxStatus(
        name=place.name,
        state=_state(record),
        home=place.path,
        kubeconfig=place.kubeconfig,
        context=f"llmdctl-{place.name}",
        server=f"https://127.0.0.1:{record.ports.api_server}" if record else "",
        kubernetes_version=version,
        ports=ports,
        processes=processes,
        nodes=nodes,
        definitions=loaded,
        values=place.values if record and record.node else None,
        notice=REAL_NOTICE.format(node=record.node.name) if record and record.node else NOTICE,
    )


def _state(record: Record | None) -> State:
    if record is None or not record.complete:
        return State.INCOMPLETE
    return State.UP if record.alive else State.BROKEN


def _inside(api: Api | None) -> tuple[tuple[NodeStatus, ...], Definitions, str]:
    """Nodes, CRDs and version as the API server tells them; nothing of them while it does not answer."""
    unknown: tuple[tuple[NodeStatus, ...], Definitions, str] = (
        (),
        Definitions(total=0, written_from_documentation=()),
        "",
    )
    if api is None:
        return unknown
    try:
        nodes = tuple(sorted((_node(node) for node in furnish.own_nodes(api)), key=lambda node: node.name))
        served = {f"{plural}.{group}" for group, plural in furnish.served(api)}
        own = (crd["metadata"]["name"] for crd in definitions.written_from_documentation())
        loaded = Definitions(
            total=furnish.definition_count(api),
            written_from_documentation=tuple(name for name in own if name in served),
        )
        return nodes, loaded, str(api.get("/version")["gitVersion"])
    except ClusterError:
        return unknown


def _node(node: Object) -> NodeStatus:
    allocatable = node["status"].get("allocatable", {})
    return NodeStatus(
        name=node["metadata"]["name"],
        accelerator=node["metadata"]["labels"].get(ACCELERATOR, ""),
        ready=furnish.is_ready(node),
        real=REAL in node["metadata"]["labels"],
        accelerators={name: amount for name, amount in sorted(allocatable.items()) if "/" in name},
    )
