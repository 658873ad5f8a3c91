"""A release that serves on the real node, seen from outside (its address) and from inside (metrics of its pods)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmdctl.cli import main
from llmdctl.kube import Cluster, Reply
from llmdctl.prometheus import Exposition, parse
from llmdctl.sandbox.api import Api
from tests.e2e import certificate
from tests.e2e.inside import Inside

ROLE = "app.kubernetes.io/component"
QUICK = (
    # A simulated engine listens after a second; the first question comes before, and the chart's next after ten more.
    "--set", "modelserver.roleDefaults.containerPatch.startupProbe.periodSeconds=1",
    # Asking engines twenty times a second takes a quarter of a processor for each endpoint picker, as long as it runs.
    "--set", "scheduler.flags.refresh-metrics-interval=200ms",
    # How many pods it sees an endpoint picker says every five seconds.
    "--set", "scheduler.flags.refresh-prometheus-metrics-interval=500ms",
    "--set", "scheduler.env.GOGC=400",  # as for every other program of Go in a session, see tests/conftest.py
    *certificate.GIVEN,
)  # fmt: skip
"""Less waiting and less work, where neither is what a test is about."""
ALERT = ("--set", "scheduler.flags.refresh-metrics-interval=50ms")
"""After QUICK: queues are seen as soon as by default, where who is asked next depends on them."""
UNAIDED = ("--set", "scheduler.certificateSecret=")
"""After QUICK: the endpoint picker makes its own certificate, as it does in an installation without further words."""


@dataclass(frozen=True)
class Serving:
    """One release. `url` is the entrance, reached from this machine."""

    cluster: Cluster
    namespace: str
    release: str
    model: str
    url: str
    inside: Inside
    _addresses: dict[str, str] = field(default_factory=dict)  # of pods that were listed

    def pods(self, role: str) -> list[str]:
        """Names of the ready pods of one role, in order."""
        found = self.cluster.list_objects(
            "v1",
            "Pod",
            namespace=self.namespace,
            labels={"app.kubernetes.io/instance": self.release, ROLE: role},
        )
        ready = {str(pod["metadata"]["name"]): str(pod["status"]["podIP"]) for pod in found if _ready(pod)}
        self._addresses.update(ready)
        return sorted(ready)

    def metrics(self, role: str, *names: str) -> dict[str, Exposition]:
        """What the engine of each pod of a role exposes; only metrics with these names, where any is given."""
        port = self.port(role)
        return {pod: self.scrape(pod, port, *names) for pod in self.pods(role)}

    def scrape(self, pod: str, port: int, *names: str, path: str = "/metrics") -> Exposition:
        """What one pod exposes; `pods` has listed it. Only metrics with these names, where any is given.

        Reading a line takes 0.1 ms, and tests that wait ask again and again for one of hundreds.
        """
        text = self.request(pod, port, "GET", path).text
        return parse(text, wanted=lambda line: line.startswith(names)) if names else parse(text)

    def post(self, pod: str, port: int, path: str, body: Mapping[str, Any]) -> Reply:
        """JSON for one pod, past every router; `pods` has listed it."""
        return self.request(pod, port, "POST", path, json.dumps(body).encode())

    def request(self, pod: str, port: int, method: str, path: str, body: bytes | None = None) -> Reply:
        """A request that must be answered well."""
        headers = {"content-type": "application/json"}
        reply = self.inside.request(self._addresses[pod], port, method, path, body=body, headers=headers)
        assert reply.good, reply
        return reply

    def port(self, role: str) -> int:
        """Where the engine itself listens: a decode pod has the routing sidecar before it."""
        return 8200 if role == "decode" else 8000

    def total(self, role: str, name: str, **labels: str) -> float:
        """A metric, summed over the pods of a role; 0 where no pod has counted yet."""
        return sum(found.total(name, **labels) or 0.0 for found in self.metrics(role, name).values())

    def ask_engine(self, pod: str, role: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """One completion of one engine, past every router."""
        return dict(self.post(pod, self.port(role), "/v1/completions", body).document() or {})


def llmdctl(*words: str, kubeconfig: Path, expect: int = 0) -> None:
    """A command line as a person writes it, in this process: that there is a program for it is tested elsewhere."""
    found = main([*words, "--kubeconfig", str(kubeconfig)])
    assert found == expect, f"llmdctl {' '.join(words)} ended with {found}"


def curl(url: str, *words: str) -> tuple[int, str]:
    """(status, body) as curl sees them."""
    command = ["curl", "--silent", "--show-error", "--max-time", "60", "--write-out", "\n%{http_code}", *words, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def shared_prefix(group: object, tokens: int) -> str:
    """A prompt of about so many tokens that no other group shares."""
    return " ".join(f"{group}w{number}" for number in range(tokens))


def settled(api: Api, url: str) -> bool:
    """Whether a Deployment runs what it says, all of it and nothing else."""
    item = api.get(url)
    wanted, status = item["spec"]["replicas"], item["status"]
    return bool(
        status.get("observedGeneration") == item["metadata"]["generation"]
        and status.get("updatedReplicas") == status.get("readyReplicas") == status.get("replicas") == wanted
    )


def flags(settings: Mapping[str, object]) -> Sequence[str]:
    return [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]


def _ready(pod: Mapping[str, Any]) -> bool:
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
