"""What Envoy, the endpoint picker and the sidecar add to a request, on the sandbox's real node.

One engine, asked directly and through the whole chain in turn, by 1, 8 and 32 clients. The engine's step time is part
of both sides, so the difference is the chain's own. Both ways go through the same relay into the node's network.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from llmdctl import sandbox
from llmdctl.sandbox import plane
from llmdctl.sandbox.home import home
from llmdctl.sandbox.record import read
from tests.e2e.conftest import claimed

CLIENTS = (1, 8, 32)
REQUESTS = 160  # of each side and number of clients
MODEL = "openai/gpt-oss-120b"
NAMESPACE = "default"
RELEASE = "latency"
RECIPE = ("pd-disaggregation", RELEASE, "--accelerator", "h200", "--set", "scheduler.decider.type=prefix-based")
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
_BODY = json.dumps({"model": MODEL, "prompt": "hello", "max_tokens": 1, "temperature": 0}).encode()


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
        with plane.administrator(home(name), found.ports) as api:
            api.create(f"/api/v1/namespaces/{NAMESPACE}/services", _ENGINE)
        entrance = sandbox.forwarded(name, NAMESPACE, f"{RELEASE}-epp", 80)
        engine = sandbox.forwarded(name, NAMESPACE, "engine", _ENGINE_PORT)
        with entrance as through, engine as direct:
            for clients in CLIENTS:
                yield _row(clients, through, direct)
        yield _verified(status.kubeconfig)
    finally:
        sandbox.down(name)


def _install(values: Path, kubeconfig: Path) -> None:
    roles = ("--role", "prefill.replicas=1", "--role", "decode.replicas=1")
    _llmdctl(kubeconfig, "install", *RECIPE, *roles, "-f", str(values), "--quiet")


def _verified(kubeconfig: Path) -> str:
    report = json.loads(_llmdctl(kubeconfig, "verify", RELEASE, "-o", "json"))
    return f"verify: {report['seconds']:.1f} s, {report['requests']} requests, {len(report['proofs'])} proofs"


def _llmdctl(kubeconfig: Path, *words: str) -> str:
    command = [sys.executable, "-m", "llmdctl", *words, "--kubeconfig", str(kubeconfig)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _row(clients: int, through: str, direct: str) -> str:
    ours, yardstick = _interleaved(clients, through, direct)
    added = ours.p50_s - yardstick.p50_s, ours.p99_s - yardstick.p99_s
    return (
        f"{clients:>3} clients: engine alone p50 {_ms(yardstick.p50_s)} p99 {_ms(yardstick.p99_s)}, through the chain"
        f" p50 {_ms(ours.p50_s)} p99 {_ms(ours.p99_s)}: adds p50 {_ms(added[0])} p99 {_ms(added[1])}"
    )


def _interleaved(clients: int, through: str, direct: str) -> tuple[Spread, Spread]:
    """Both sides in turn, a quarter at a time, so that a busy machine slows both alike."""
    taken: dict[str, list[float]] = {through: [], direct: []}
    for url in (through, direct):
        _load(url, clients, clients)  # connections of the relay, first requests
    for _ in range(4):
        for url in taken:
            taken[url] += _load(url, clients, REQUESTS // 4)
    return _spread(taken[through]), _spread(taken[direct])


def _load(url: str, clients: int, requests: int) -> list[float]:
    """Seconds of each request, by so many clients that each keep one connection."""
    shares = [len(range(client, requests, clients)) for client in range(clients)]
    with ThreadPoolExecutor(clients) as pool:
        return [taken for client in pool.map(lambda share: _client(url, share), shares) for taken in client]


def _client(url: str, requests: int) -> list[float]:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    taken = []
    try:
        for _ in range(requests):
            started = time.perf_counter()
            connection.request("POST", "/v1/completions", body=_BODY, headers={"content-type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            taken.append(time.perf_counter() - started)
            if answer.status != 200:
                raise RuntimeError(f"{url} answered {answer.status}: {text[:200]!r}")
    finally:
        connection.close()
    return taken


def _spread(times: list[float]) -> Spread:
    cuts = statistics.quantiles(times, n=100)
    return Spread(p50_s=statistics.median(times), p99_s=cuts[98])


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
