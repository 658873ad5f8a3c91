"""What the charts render of a standalone release, as processes of this machine: an engine, its picker, and Envoy.

Each runs with the command line and the files of its container; only ports are the test's. The engine is a pod of the
cluster whose address is this machine's loopback, so that the picker names it.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from llmdctl import assets, programs
from llmdctl.helm import open_renderer
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import Catalog, compose
from llmdctl.sandbox.images import dialect_of
from llmdctl.values import build
from tests.e2e.sandbox.objects import PODS, POOLS, wait
from tests.engine.process import alone
from tests.ports import free_ports

ENVOY = Path(sys.executable).parent / "envoy"
MODEL = "Qwen/Qwen3-32B"
# `health` is no value: the chart puts it behind envoyAdmin.
_PORTS = ("serving", "extProc", "grpcHealth", "eppMetrics", "proxy", "envoyAdmin", "health")
_LIMIT_S = 10.0

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A release that serves. `ports` are named as in global.llmd.ports; `health` is Envoy's port for probes."""

    ports: Mapping[str, int]
    engine: subprocess.Popen[bytes]
    picker: subprocess.Popen[bytes]
    envoy: subprocess.Popen[bytes]

    def ask(self, host: str, path: str, body: Object | None = None, *, port: str = "proxy") -> Answer:
        """One request by a connection of its own; OSError where nobody listens."""
        connection = http.client.HTTPConnection(host, self.ports[port], timeout=_LIMIT_S)
        try:
            text = None if body is None else json.dumps(body)
            headers = {} if body is None else {"Content-Type": "application/json"}
            connection.request("GET" if body is None else "POST", path, text, headers)
            answer = connection.getresponse()
            return Answer(status=answer.status, body=answer.read())
        finally:
            connection.close()

    def complete(self, host: str) -> Answer:
        """A small completion."""
        return self.ask(host, "/v1/completions", {"model": MODEL, "prompt": "Say hello.", "max_tokens": 2})

    def stat(self, name: str) -> int:
        """One of Envoy's own numbers; 0 while it has none."""
        text = self.ask("127.0.0.1", f"/stats?filter=^{name}$", port="envoyAdmin").body.decode()
        return int(text.partition(": ")[2] or 0)

    def healthy_pickers(self) -> int:
        """How many pickers Envoy would ask: 1 or 0."""
        return self.stat("cluster.endpoint-picker.membership_healthy")

    def picker_flags(self) -> str:
        """Why Envoy would not ask the picker, in its own words: `healthy`, or `/failed_active_hc` and more."""
        text = self.ask("127.0.0.1", "/clusters", port="envoyAdmin").body.decode()
        (flags,) = re.findall(r"^endpoint-picker::.*::health_flags::(.*)$", text, re.MULTILINE)
        return str(flags)


@contextmanager
def standing(
    plane: Any, folder: Path, host: str, sets: Sequence[str] = (), *, resolver: int | None = None
) -> Iterator[Standing]:
    """The path optimized-baseline with an engine at `host`, an address of this machine, until the context ends.

    `resolver`: port of the DNS server that Envoy asks, in place of the machine's.
    """
    first = free_ports(len(_PORTS))
    ports = {name: first + place for place, name in enumerate(_PORTS)}
    program = Path(os.environ.get("LLMDCTL_EPP") or programs.find("epp07").path)
    namespace = plane.namespace("envoy")
    objects = _rendered(namespace, dialect_of(program), ports, sets)
    (pool,) = (found for found in objects if found["kind"] == "InferencePool")
    plane.api.create(POOLS.url(namespace=namespace), pool)
    _pod(plane, namespace, pool, host)
    _write(folder, objects, resolver)
    with ExitStack() as stack:

        def start(words: Sequence[str | Path], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
            log = stack.enter_context((folder / f"{Path(words[0]).name}.log").open("wb"))
            process = subprocess.Popen(words, env={**os.environ, **environment}, stdout=log, stderr=log)
            stack.callback(_end, process)
            return process

        engine = start([sys.executable, "-m", "llmdctl.sandbox.engine", *_words(objects, "engine", folder)],
                       {"PYTHONPATH": alone(), "LLMDCTL_ENGINE_BLOCKS": "100"})  # fmt: skip
        picker = start([program, *_words(objects, "epp", folder)], {"KUBECONFIG": str(plane.kubeconfig)})
        envoy = start([ENVOY, *_words(objects, "proxy", folder)], {})
        found = Standing(ports=ports, engine=engine, picker=picker, envoy=envoy)
        wait("an answer of the release", lambda: _answers(found, host), limit_s=60)
        yield found
    plane.free(namespace)


def _rendered(namespace: str, dialect: str, ports: Mapping[str, int], sets: Sequence[str]) -> list[Object]:
    """Without TLS, for which the picker would make itself a key of 4096 bits."""
    told = [f"global.llmd.ports.{name}={port}" for name, port in ports.items() if name != "health"]
    told += [f"global.llmd.eppVersion={dialect}", "scheduler.secureServing=false", "scheduler.metricsAuth=false"]
    chosen = Selection(path="optimized-baseline", gateway="standalone", accelerator="h200", engine="vllm")
    recipe = compose(Catalog.load([assets.paths()]), chosen, Overrides(sets=(*told, *sets)))
    return list(open_renderer().render(build(recipe, name="x", namespace=namespace)).objects)


def _pod(plane: Any, namespace: str, pool: Object, host: str) -> None:
    """A ready pod of the pool. Nobody places it, so no kubelet, simulated or not, says otherwise."""
    spec = {"schedulerName": "nobody", "containers": [{"name": "engine", "image": "example.invalid/engine:1"}]}
    labels = pool["spec"]["selector"]["matchLabels"]
    plane.api.create(PODS.url(namespace=namespace), {"metadata": {"name": "engine", "labels": labels}, "spec": spec})
    ready = {"type": "Ready", "status": "True"}
    status = {"phase": "Running", "podIP": host, "podIPs": [{"ip": host}], "conditions": [ready]}
    plane.api.merge(PODS.url("engine", namespace=namespace, subresource="status"), {"status": status})


def _write(folder: Path, objects: Sequence[Object], resolver: int | None) -> None:
    """The files of the ConfigMaps."""
    for found in objects:
        for name, text in (found.get("data") or {}).items() if found["kind"] == "ConfigMap" else ():
            (folder / name).write_text(text, encoding="utf-8")
    if resolver is not None:
        path = folder / "envoy.yaml"
        configuration = yaml.safe_load(path.read_text(encoding="utf-8"))
        (fallback,) = (row for row in configuration["static_resources"]["clusters"] if row["name"] == "fallback")
        kind = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
        address = {"socket_address": {"address": "127.0.0.1", "port_value": resolver}}
        fallback["typed_dns_resolver_config"] = {
            "name": "envoy.network.dns_resolver.cares",
            "typed_config": {"@type": kind, "resolvers": [address]},
        }
        path.write_text(yaml.safe_dump(configuration), encoding="utf-8")


def _words(objects: Sequence[Object], container: str, folder: Path) -> list[str]:
    """The arguments of a container, with this folder in place of its own."""
    pods = [found["spec"]["template"]["spec"] for found in objects if found["kind"] == "Deployment"]
    (found,) = (row for pod in pods for row in pod["containers"] if row["name"] == container)
    program = found.get("command") or []
    assert program in ([], ["envoy"], ["vllm", "serve"]), program
    said = [word.replace("/etc/epp", str(folder)).replace("/etc/envoy", str(folder)) for word in found["args"]]
    return [*(program if container == "engine" else []), *said]


def _answers(release: Standing, host: str) -> bool:
    assert release.engine.poll() is None and release.picker.poll() is None and release.envoy.poll() is None
    try:
        return release.healthy_pickers() == 1 and release.complete(host).status == 200
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait(_LIMIT_S)
