"""Real load and real numbers: requests wait in the endpoint picker, KEDA wakes engines, and lets them go again.

On the real node nothing speaks in anybody's place: Envoy, the endpoint picker's flow control, engines in pods, the
release's own monitors and ScaledObject, Prometheus, KEDA, and the HorizontalPodAutoscaler.
"""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llmdctl import helm, kube, sandbox
from llmdctl.cli import main
from llmdctl.model.check import Outcome
from llmdctl.model.proof import Proof
from llmdctl.prometheus import over_http
from llmdctl.release.verify import selected, verify
from tests.e2e.autoscaling.seen import replicas, wait
from tests.e2e.conftest import beside
from tests.e2e.datapath.serving import QUICK

pytestmark = pytest.mark.e2e
CLIENTS = 12
VALUES = """\
autoscaling:
  roles:
    aggregate:
      maxReplicas: 3
      triggers: {queue: {threshold: 6}, running: {threshold: 5}}
"""


def proved(kubeconfig: Path, namespace: str, prometheus: str) -> Proof:
    """What verify says of the autoscaler, having asked KEDA, its adapter, and the Prometheus that KEDA asks."""
    door, cluster = helm.open_helm(kubeconfig=kubeconfig), kube.connect(kubeconfig=kubeconfig)
    claims, ask = selected(["LV0901"], ()), over_http(prometheus)
    return verify("s", namespace, helm=door, cluster=cluster, claims=claims, prometheus=ask).proofs[0]


class Clients:
    """People who ask again as soon as they are answered, until they are told to stop."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/v1/completions"
        self._over = threading.Event()
        self.answered = 0
        self.failed: list[str] = []

    @contextmanager
    def at_work(self, number: int) -> Iterator[None]:
        threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(number)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join(60)

    def _ask(self) -> None:
        body = json.dumps({"model": "Qwen/Qwen3-32B", "prompt": "Tell me a long story.", "max_tokens": 100}).encode()
        while not self._over.is_set():
            request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=90) as answer:
                    answer.read()
                self.answered += 1
            except OSError as error:
                self.failed.append(str(error))


def test_load_wakes_engines_and_its_end_lets_them_go(real_node, quick: Path, tmp_path: Path) -> None:
    if not beside():
        pytest.skip("this machine's distribution has no Prometheus")
    namespace = real_node.namespace("scaled")
    own = tmp_path / "own.yaml"
    own.write_text(VALUES, encoding="utf-8")
    files = [word for path in (sandbox.values(real_node.name), quick, own) for word in ("-f", str(path))]
    asked = ["install", "optimized-baseline", "s", "-n", namespace, "--accelerator", "h200", *files]
    asked += ["--autoscaler", "keda-queue", "--metrics", "prometheus-operator", *QUICK]
    assert main([*asked, "--kubeconfig", str(real_node.kubeconfig)]) == 0

    def now() -> tuple[int, int]:
        return replicas(real_node.api, namespace, "s-aggregate")

    wait("nobody asks, so nothing runs", lambda: now() == (0, 0), limit_s=60, why=now)
    with real_node.forwarded(namespace, "s-epp", 80) as url:
        clients = Clients(url)
        with clients.at_work(CLIENTS):
            wait("two engines at least", lambda: now()[1] >= 2 and clients.answered > 0, limit_s=90, why=now)
            with real_node.forwarded("monitoring", "prometheus-operated", 9090) as prometheus:
                seen: list[Proof] = []

                def reads() -> bool:
                    """On a busy machine Prometheus may be late, and KEDA's fallback stands in for a moment."""
                    seen.append(proved(real_node.kubeconfig, namespace, prometheus))
                    return seen[-1].outcome in (Outcome.PASS, Outcome.WARN)

                wait("an autoscaler that reads numbers", reads, pause_s=1.0, why=lambda: seen[-1])
            assert [each for each in seen[-1].evidence if each.where.startswith("Prometheus ")], seen[-1]
        assert clients.failed == []
        assert clients.answered >= CLIENTS
    wait("nobody asks any more, so nothing runs", lambda: now() == (0, 0), limit_s=60, why=now)
    real_node.empty(namespace)
