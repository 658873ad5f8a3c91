"""One real control plane for the whole test session, shared by all workers of pytest-xdist, and one with a real node.

`plane` and `real_node` give their kubeconfig and make namespaces. The first worker that wants one brings it up. It is
taken down after the last file that uses it, whoever runs that: three control planes that nobody needs any more would
keep half a processor busy. A sandbox that an earlier, killed session left behind is removed first: its name carries
the pid of that session.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import psutil
import pytest
import yaml
from filelock import FileLock

from llmdctl import assets, sandbox
from llmdctl.errors import ProgramError
from llmdctl.sandbox import plane as control_plane
from llmdctl.sandbox import prometheus
from llmdctl.sandbox.api import Api, Resource
from llmdctl.sandbox.home import home
from llmdctl.sandbox.images import dialect
from llmdctl.sandbox.record import read
from tests.e2e import certificate
from tests.e2e.inside import Inside
from tests.e2e.sandbox.objects import DEPLOYMENTS, JOBS, LWS, NAMESPACES, PODS, REPLICA_SETS, SECRETS, SERVICES, wait
from tests.e2e.sandbox.objects import SCALED as SCALED_OBJECTS

NODES = {"h200": 8, "h100": 2, "b200": 2, "l4": 2, "mi300x": 2, "cpu": 4}
_PREFIX = "test-"
_REAL = "node-"
SCALED = "scaled-"


@dataclass(frozen=True)
class Plane:
    """The session's sandbox. `api` is a client with all rights."""

    status: sandbox.SandboxStatus
    api: Api
    worker: str
    _numbers: Iterator[int]
    made: list[str] = field(default_factory=list)  # namespaces, in their order
    haste: ClassVar[str] = ""  # how a deletion of pods is asked for

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

    def empty(self, namespace: str) -> None:
        """Delete a namespace, and wait until its pods hold nothing of a node any more."""
        self.api.delete(NAMESPACES.url(namespace))
        wait(f"namespace {namespace} without pods", lambda: not self.api.items(PODS.url(namespace=namespace)))

    def free(self, namespace: str) -> None:
        """Delete what holds something of a node, and wait until it does not any more.

        Less than `empty`: removing a namespace begins after five seconds (`namespaceDeletionGracePeriod` of the
        namespace controller), and costs two requests and more for each of a hundred and fifty kinds.
        """

        def items(kind: Resource) -> list[dict[str, Any]]:
            return self.api.items(kind.url(namespace=namespace))

        if items(LWS):  # its controller may still be making pods of it
            self.empty(namespace)
            return
        wait("what controllers have seen", lambda: all(map(_is_seen, items(DEPLOYMENTS))))  # or they make pods later
        for kind in (DEPLOYMENTS, JOBS):
            self.api.delete(f"{kind.url(namespace=namespace)}?propagationPolicy=Background")
        wait(f"the end of workloads in {namespace}", lambda: not any(map(items, (DEPLOYMENTS, REPLICA_SETS, JOBS))))
        self.api.delete(f"{PODS.url(namespace=namespace)}{self.haste}")
        wait(f"namespace {namespace} without pods", lambda: not items(PODS))


def _is_seen(workload: dict[str, Any]) -> bool:
    observed = (workload.get("status") or {}).get("observedGeneration", 0)
    return bool(observed >= workload["metadata"]["generation"])


def simulated(counts: dict[str, int]) -> list[sandbox.SimulatedNodes]:
    """Simulated nodes as the accelerator facets describe them."""
    groups = []
    for accelerator, number in counts.items():
        facet = yaml.safe_load((assets.paths() / "facets" / "accelerators" / f"{accelerator}.yaml").read_text())
        groups.append(sandbox.SimulatedNodes(accelerator=accelerator, count=number, template=facet["node"]))
    return groups


@dataclass(frozen=True)
class RealNode(Plane):
    """The session's sandbox with a real node that claims 40 H200, for several releases at once."""

    haste: ClassVar[str] = "?gracePeriodSeconds=0"  # nobody asks these containers any more: they need not drain

    @property
    def values(self) -> Path:
        """The values that name its images, for `-f`."""
        return sandbox.values(self.name)

    def namespace(self, prefix: str = "t") -> str:
        """As for every plane, with a certificate for endpoint pickers (see `tests.e2e.certificate`)."""
        name = super().namespace(prefix)
        self.api.create(SECRETS.url(namespace=name), certificate.secret())
        return name

    def empty(self, namespace: str) -> None:
        """As for every plane, but containers are not waited for that drain."""
        self.api.delete(NAMESPACES.url(namespace))
        self.api.delete(f"{PODS.url(namespace=namespace)}{self.haste}")
        super().empty(namespace)

    def free(self, namespace: str) -> None:
        """As for every plane; before, what would make pods again, and what kube-proxy and KEDA would look after."""
        for kind in (SCALED_OBJECTS, SERVICES):
            self.api.delete(kind.url(namespace=namespace))
        super().free(namespace)

    def forwarded(self, namespace: str, service: str, port: int | None = None) -> AbstractContextManager[str]:
        """The address of a service, as long as the context lasts."""
        return sandbox.forwarded(self.name, namespace, service, port)

    def inside(self) -> Inside:
        """A way to the pods' own addresses."""
        found = read(home(self.name))
        assert found is not None
        assert found.node is not None
        return Inside(found.node.pid)


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Plane]:
    with shared_sandbox(tmp_path_factory, worker_id, _PREFIX, _simulated) as status:
        yield from opened(Plane, status, worker_id)


@pytest.fixture(scope="session")
def real_node(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[RealNode]:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("a real node needs Linux and root")
    with shared_sandbox(tmp_path_factory, worker_id, _REAL, _real) as status:
        yield from opened(RealNode, status, worker_id)


@pytest.fixture(scope="session")
def picker_dialect() -> str:
    """What the endpoint picker in the real node's image speaks: `0.7` as pinned, or what LLMDCTL_EPP=<binary> does."""
    return dialect()


@pytest.fixture(scope="session")
def needs_picker(picker_dialect: str) -> Callable[[str], None]:
    """`needs_picker("0.9")` skips where the endpoint picker in the image is older. Ask before any node."""

    def older_is_skipped(oldest: str) -> None:
        if _numbers(picker_dialect) < _numbers(oldest):
            pytest.skip(f"needs endpoint picker {oldest}, the image has {picker_dialect}: give LLMDCTL_EPP=<binary>")

    return older_is_skipped


def _numbers(dialect: str) -> tuple[int, ...]:
    return tuple(int(part) for part in dialect.split("."))


def _simulated(name: str) -> sandbox.SandboxStatus:
    return sandbox.up(name, nodes=simulated(NODES), report=print)


def _real(name: str) -> sandbox.SandboxStatus:
    return sandbox.up(name, nodes=[], real=claimed("h200", 40), extras=beside(), report=print)


def beside() -> tuple[str, ...]:
    """KEDA and Prometheus, where the machine's distribution has a Prometheus."""
    try:
        prometheus.find()
    except ProgramError:
        return ()
    return ("prometheus", "keda")


def claimed(accelerator: str, devices: int) -> sandbox.RealNode:
    """A real node that claims to be the facet's machine."""
    facet = yaml.safe_load((assets.paths() / "facets" / "accelerators" / f"{accelerator}.yaml").read_text())
    return sandbox.real_node(accelerator, devices, template=facet["node"], resource=facet["facts"]["resource"])


P = TypeVar("P", bound=Plane)


def opened(kind: type[P], status: sandbox.SandboxStatus, worker: str) -> Iterator[P]:
    found = read(home(status.name))
    assert found is not None
    with control_plane.administrator(home(status.name), found.ports) as api:
        yield kind(status=status, api=api, worker=worker, _numbers=count(1))


@contextmanager
def shared_sandbox(
    tmp_path_factory: pytest.TempPathFactory, worker: str, prefix: str, up: Callable[[str], sandbox.SandboxStatus]
) -> Iterator[sandbox.SandboxStatus]:
    """A sandbox for all workers: the first one in brings it up, the last one out takes it down."""
    shared = shared_folder(tmp_path_factory, worker)
    name = session_name(prefix, worker)
    lock, users = FileLock(shared / f"{prefix}lock"), shared / f"{prefix}users"
    with lock:
        _remove_abandoned()
        status = up(name)
        _set_users(users, _users(users) | {worker})
    try:
        yield status
    finally:
        with lock:
            left = _users(users) - {worker}
            _set_users(users, left)
            if not left:
                sandbox.down(name)


def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker: str) -> Path:
    """A folder that all workers of this session have in common."""
    base = tmp_path_factory.getbasetemp()
    return base if worker == "master" else base.parent


def session_name(prefix: str, worker: str) -> str:
    """The name of this session's sandbox of a kind."""
    return f"{prefix}{os.getpid() if worker == 'master' else os.getppid()}"


# The sandboxes that all workers share: fixture -> prefix of their names.
SHARED = {"plane": _PREFIX, "real_node": _REAL, "scaled": SCALED}


@pytest.fixture(scope="session", autouse=True)
def _ending(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> None:
    """What `pytest_runtest_teardown` needs to know of this session."""
    request.config.stash[_PLACE] = (shared_folder(tmp_path_factory, worker_id), worker_id)


_PLACE = pytest.StashKey[tuple[Path, str]]()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """After the last test of a file: take down what no other file of the session wants."""
    if _PLACE not in item.config.stash or (nextitem is not None and nextitem.path == item.path):
        return
    folder, worker = item.config.stash[_PLACE]
    for fixture, prefix in SHARED.items():
        wanting = {str(one.path) for one in item.session.items if fixture in getattr(one, "fixturenames", ())}
        if str(item.path) not in wanting:
            continue
        done = folder / f"{prefix}done"
        with FileLock(folder / f"{prefix}lock"):
            _set_users(done, _users(done) | {str(item.path)})
            if wanting <= _users(done):
                sandbox.down(session_name(prefix, worker))


def _users(path: Path) -> set[str]:
    return set(json.loads(path.read_text())) if path.exists() else set()


def _set_users(path: Path, users: set[str]) -> None:
    path.write_text(json.dumps(sorted(users)))


def _remove_abandoned() -> None:
    for place in sandbox.homes():
        for prefix in (_PREFIX, _REAL, SCALED):
            pid = place.name.removeprefix(prefix)
            if place.name.startswith(prefix) and pid.isdecimal() and not psutil.pid_exists(int(pid)):
                sandbox.down(place.name)
