"""One sandbox with the real KEDA and a real Prometheus, shared by all workers, and what scales in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from llmdctl import sandbox
from llmdctl.cli import main
from llmdctl.sandbox.api import Api
from llmdctl.sandbox.home import home
from llmdctl.sandbox.record import read
from tests.e2e.autoscaling.exposition import Exposition
from tests.e2e.autoscaling.seen import PODS
from tests.e2e.conftest import SCALED, Plane, beside, opened, shared_sandbox, simulated

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
    if not beside():
        pytest.skip("no Prometheus on PATH, and this machine's distribution has none")
    with shared_sandbox(tmp_path_factory, worker_id, SCALED, _up) as status:
        found = read(home(status.name))
        assert found is not None
        for plane in opened(Plane, status, worker_id):
            yield Scaled(plane=plane, prometheus=f"http://127.0.0.1:{found.ports.prometheus}")


def _up(name: str) -> sandbox.SandboxStatus:
    return sandbox.up(name, nodes=simulated({"h200": 8, "cpu": 2}), extras=("prometheus", "keda"), report=print)


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Values that make scaling quick."""
    path = tmp_path_factory.mktemp("values") / "quick.yaml"
    path.write_text(QUICK, encoding="utf-8")
    return path
