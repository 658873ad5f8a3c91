"""One sandbox with the real KEDA and a real Prometheus, shared by all workers, and what scales in it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from filelock import FileLock

from llmdctl import sandbox
from llmdctl.cli import main
from llmdctl.errors import ProgramError
from llmdctl.sandbox import plane as control_plane
from llmdctl.sandbox import prometheus
from llmdctl.sandbox.api import Api
from llmdctl.sandbox.home import home
from llmdctl.sandbox.record import read
from tests.e2e.autoscaling.exposition import Exposition
from tests.e2e.autoscaling.seen import PODS
from tests.e2e.conftest import Plane, simulated

EPP_PORT = 9090
# Seconds where a real cluster would take minutes: what is looked at is who scales, not how calmly.
QUICK = """\
autoscaling:
  roleDefaults:
    pollingSeconds: 1
    cooldownSeconds: 2
    minReplicas: 0
    maxReplicas: 4
    behavior:
      scaleDown: {stabilizationWindowSeconds: 0, policies: [{type: Pods, value: 8, periodSeconds: 1}]}
      scaleUp: {policies: [{type: Pods, value: 8, periodSeconds: 1}]}
monitoring: {intervalSeconds: 1}
"""


@dataclass(frozen=True)
class Scaled:
    """A sandbox in which things scale."""

    plane: Plane
    prometheus: str

    @property
    def api(self) -> Api:
        return self.plane.api

    def install(self, recipe: str, *words: str, values: Path) -> str:
        """Install a recipe as the release `s` into a namespace of its own, and wait until it is ready."""
        namespace = self.plane.namespace("scaled")
        asked = ["install", recipe, "s", "-n", namespace, "--accelerator", "h200", "-f", str(values), *words]
        assert main([*asked, "--kubeconfig", str(self.plane.kubeconfig)]) == 0
        return namespace

    def pods(self, namespace: str, component: str) -> list[tuple[str, str]]:
        """(name, address) of the running pods of a component."""
        found = self.api.items(f"{PODS.url(namespace=namespace)}?labelSelector=app.kubernetes.io/component={component}")
        return [(pod["metadata"]["name"], pod["status"]["podIP"]) for pod in found if pod["status"].get("podIP")]

    def picker(self, namespace: str) -> contextlib.closing[Exposition]:
        """Metrics in the place of the release's endpoint picker."""
        exposition = Exposition()
        for _, address in self.pods(namespace, "epp"):
            exposition.at(address, EPP_PORT)
        return contextlib.closing(exposition)


@pytest.fixture(scope="session")
def scaled(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Scaled]:
    try:
        prometheus.find()
    except ProgramError as error:
        pytest.skip(str(error))
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    name = f"apart-{os.getpid() if worker_id == 'master' else os.getppid()}-k"
    lock, users = FileLock(shared / "scaled.lock"), shared / "scaled.users"
    with lock:
        nodes = simulated({"h200": 8, "cpu": 2})
        status = sandbox.up(name, nodes=nodes, extras=("prometheus", "keda"), report=print)
        _write(users, _read(users) | {worker_id})
    found = read(home(name))
    assert found is not None
    with control_plane.administrator(home(name), found.ports) as api:
        plane = Plane(status=status, api=api, worker=worker_id, _numbers=count(1))
        yield Scaled(plane=plane, prometheus=f"http://127.0.0.1:{found.ports.prometheus}")
    with lock:
        left = _read(users) - {worker_id}
        _write(users, left)
        if not left:
            sandbox.down(name)


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Values that make scaling quick."""
    path = tmp_path_factory.mktemp("values") / "quick.yaml"
    path.write_text(QUICK, encoding="utf-8")
    return path


def _read(path: Path) -> set[str]:
    return set(json.loads(path.read_text())) if path.exists() else set()


def _write(path: Path, users: set[str]) -> None:
    path.write_text(json.dumps(sorted(users)))
