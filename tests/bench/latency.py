"""What Envoy, the endpoint picker and the sidecar add to a request, on the sandbox's real node.

One engine, asked directly and through the whole chain in turn, by 1, 8 and 32 clients. The difference is the chain's
own: the engine's time is in both. What would spoil that is kept out or printed:

- The clients run in the node's own network, as a pod would, so that no relay of ours is on the way.
- Each client pauses between its requests, a fifth of a second on average. Without, 32 clients ask for more than two
  cores can do, and what is measured is the queue for the processor, in Envoy, the picker, the engine and the clients,
  which is no property of the chain. With it they ask for 5, 40 and 160 requests a second.
- Engine and clients are Python: the engine takes about 2 ms of a core for a request, a client half of one. So how busy
  the machine was, and how much of a core the clients took, stands in each row; above some 80 % the p99 of both sides
  is that of a queue.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from llmdctl import sandbox
from llmdctl.sandbox import plane
from llmdctl.sandbox.api import Api
from llmdctl.sandbox.home import home
from llmdctl.sandbox.node.namespaces import joining_network
from llmdctl.sandbox.record import read
from tests.e2e.conftest import claimed

REQUESTS = {1: 120, 8: 320, 32: 640}  # clients -> of each side
PAUSE_S = 0.2
TURNS = 4
MODEL = "openai/gpt-oss-120b"
NAMESPACE = "default"
RELEASE = "latency"
RECIPE = ("pd-disaggregation", RELEASE, "--accelerator", "h200")
SHORT_STAY = ("--set", "scheduler.decider.type=prefix-based", "--set", "scheduler.decider.nonCachedTokens=512")
_ENGINE_PORT = 8200  # of the decode engine, behind the sidecar
_ENGINE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "engine"},
    "spec": {
        "selector": {"app.kubernetes.io/instance": RELEASE, "llm-d.ai/role": "decode"},
        "ports": [{"port": _ENGINE_PORT}],
    },
}
_BODY = json.dumps({"model": MODEL, "prompt": "hello", "max_tokens": 1, "temperature": 0})


@dataclass(frozen=True)
class Spread:
    """Seconds of many requests."""

    p50_s: float
    p99_s: float


def rows() -> Iterator[str]:
    """The table, one line at a time; a sandbox of its own comes and goes."""
    if sys.platform != "linux" or os.geteuid() != 0:
        yield "added latency: left out, a real node needs root on Linux"
        return
    name = f"latency-{os.getpid()}"
    status = sandbox.up(name, nodes=[], real=claimed("h200", 16))
    try:
        _install(home(name).path / "values.yaml", status.kubeconfig)
        found = read(home(name))
        assert found is not None
        assert found.node is not None
        with plane.administrator(home(name), found.ports) as api:
            api.create(f"/api/v1/namespaces/{NAMESPACE}/services", _ENGINE)
            urls = (_address(api, f"{RELEASE}-epp", 80), _address(api, "engine", _ENGINE_PORT))
        for clients in REQUESTS:
            yield _row(clients, urls, found.node.pid)
        yield _verified(status.kubeconfig)
    finally:
        sandbox.down(name)


def _address(api: Api, service: str, port: int) -> str:
    found = api.get(f"/api/v1/namespaces/{NAMESPACE}/services/{service}")
    return f"http://{found['spec']['clusterIP']}:{port}"


def _install(values: Path, kubeconfig: Path) -> None:
    roles = ("--role", "prefill.replicas=1", "--role", "decode.replicas=1")
    _llmdctl(kubeconfig, "install", *RECIPE, *SHORT_STAY, *roles, "-f", str(values), "--quiet")


def _verified(kubeconfig: Path) -> str:
    report = json.loads(_llmdctl(kubeconfig, "verify", RELEASE, "-o", "json"))
    counts = report["counts"]
    return (
        f"verify: {report['seconds']:.1f} s, {report['requests']} requests to the model (at most {report['budget']}),"
        f" {len(report['proofs'])} proofs: {counts['pass']} passed, {counts['fail']} failed,"
        f" {counts['unknown']} unknown"
    )


def _llmdctl(kubeconfig: Path, *words: str) -> str:
    command = [sys.executable, "-m", "llmdctl", *words, "--kubeconfig", str(kubeconfig)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _row(clients: int, urls: tuple[str, str], node_pid: int) -> str:
    plan = {
        "urls": urls, "body": _BODY, "clients": clients, "requests": REQUESTS[clients], "pause_s": PAUSE_S,
        "turns": TURNS,
    }  # fmt: skip
    script = str(Path(__file__).with_name("clients.py"))
    psutil.cpu_percent()
    command = joining_network(node_pid, [sys.executable, script, json.dumps(plan)])
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    busy = psutil.cpu_percent()
    through, alone = (_spread(found["seconds"][url]) for url in urls)
    return (
        f"{clients:>3} clients: engine alone p50 {_ms(alone.p50_s)} p99 {_ms(alone.p99_s)}, through the chain"
        f" p50 {_ms(through.p50_s)} p99 {_ms(through.p99_s)}: adds p50 {_ms(through.p50_s - alone.p50_s)}"
        f" p99 {_ms(through.p99_s - alone.p99_s)}; machine {busy:.0f} % busy, clients"
        f" {found['busy'] * 100:.0f} % of a core"
    )


def _spread(times: list[float]) -> Spread:
    cuts = statistics.quantiles(times, n=100)
    return Spread(p50_s=statistics.median(times), p99_s=cuts[98])


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
