"""One real control plane for the whole test session, shared by all workers of pytest-xdist.

`plane` gives its kubeconfig and makes namespaces. The first worker brings it up, the last takes it down. A sandbox
that an earlier, killed session left behind is removed first: its name carries the pid of that session.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psutil
import pytest
import yaml
from filelock import FileLock

from llmdctl import assets, sandbox
from llmdctl.sandbox import plane as control_plane
from llmdctl.sandbox.api import Api, Resource
from llmdctl.sandbox.home import home
from llmdctl.sandbox.record import read

NODES = {"h200": 8, "h100": 2, "b200": 2, "l4": 2, "mi300x": 2, "cpu": 4}
NAMESPACES = Resource(path="api/v1", plural="namespaces")
PODS = Resource(path="api/v1", plural="pods")
_PREFIX = "test-"
_APART = "apart-"


@dataclass(frozen=True)
class Plane:
    """The session's sandbox. `api` is a client with all rights."""

    status: sandbox.SandboxStatus
    api: Api
    worker: str
    _numbers: Iterator[int]
    made: list[str] = field(default_factory=list)  # namespaces, in their order

    @property
    def name(self) -> str:
        return self.status.name

    @property
    def kubeconfig(self) -> Path:
        return self.status.kubeconfig

    @property
    def context(self) -> str:
        return self.status.context

    def namespace(self, prefix: str = "t") -> str:
        """A new, empty namespace that no other test and no other worker has."""
        name = f"{prefix}-{self.worker}-{next(self._numbers)}"
        self.api.create(NAMESPACES.url(), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self.made.append(name)
        return name

    def empty(self, namespace: str, limit_s: float = 20.0) -> None:
        """Delete a namespace, and wait until its pods hold nothing of a node any more."""
        self.api.delete(NAMESPACES.url(namespace))
        end = time.monotonic() + limit_s
        while self.api.get(PODS.url(namespace=namespace))["items"] and time.monotonic() < end:
            time.sleep(0.2)


def simulated(counts: dict[str, int]) -> list[sandbox.SimulatedNodes]:
    """Simulated nodes as the accelerator facets describe them."""
    groups = []
    for accelerator, number in counts.items():
        facet = yaml.safe_load((assets.paths() / "facets" / "accelerators" / f"{accelerator}.yaml").read_text())
        groups.append(sandbox.SimulatedNodes(accelerator=accelerator, count=number, template=facet["node"]))
    return groups


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Plane]:
    session = os.getpid() if worker_id == "master" else os.getppid()
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    name = f"{_PREFIX}{session}"
    lock, users = FileLock(shared / "plane.lock"), shared / "plane.users"
    with lock:
        _remove_abandoned()
        status = sandbox.up(name, nodes=simulated(NODES), report=print)
        _set_users(users, _users(users) | {worker_id})
    found = read(home(name))
    assert found is not None
    with control_plane.administrator(home(name), found.ports) as api:
        yield Plane(status=status, api=api, worker=worker_id, _numbers=count(1))
    with lock:
        left = _users(users) - {worker_id}
        _set_users(users, left)
        if not left:
            sandbox.down(name)


@pytest.fixture(scope="module")
def plane_apart(worker_id: str) -> Iterator[Plane]:
    """A control plane of one module's own, without nodes: what would crowd or delay everybody else goes there."""
    name = f"{_APART}{os.getpid()}"
    status = sandbox.up(name, nodes=[], report=print)
    try:
        found = read(home(name))
        assert found is not None
        with control_plane.administrator(home(name), found.ports) as api:
            yield Plane(status=status, api=api, worker=worker_id, _numbers=count(1))
    finally:
        sandbox.down(name)


def _users(path: Path) -> set[str]:
    return set(json.loads(path.read_text())) if path.exists() else set()


def _set_users(path: Path, users: set[str]) -> None:
    path.write_text(json.dumps(sorted(users)))


def _remove_abandoned() -> None:
    for place in sandbox.homes():
        for prefix in (_PREFIX, _APART):
            pid = place.name.removeprefix(prefix)
            if place.name.startswith(prefix) and pid.isdecimal() and not psutil.pid_exists(int(pid)):
                sandbox.down(place.name)
