"""Whether those who read metrics and labels of model servers find what they look for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from llmdctl.lint.manifest import Manifest, look
from llmdctl.lint.recognition import SGLANG, TRTLLM, VLLM, Engine
from llmdctl.lint.rule import codes
from llmdctl.lint.world import World
from llmdctl.model.finding import Finding, Severity

CODES = codes(
    (
        "LD1605",
        "Monitor that reads nothing",
        Severity.ERROR,
        "A scrape of a port or path that is not there gives no series, and whoever scales by them sees nothing. "
        "https://prometheus-operator.dev/docs/api-reference/api/#monitoring.coreos.com/v1.PodMonitor",
    ),
    (
        "LD1966",
        "Label of another model",
        Severity.WARNING,
        "Whoever selects pods or reads dashboards by the label llm-d.ai/model is misled.",
    ),
)
PATHS: Final = {VLLM: "/metrics", SGLANG: "/metrics", TRTLLM: "/prometheus/metrics"}
"""Sources: docs.vllm.ai/en/stable/usage/metrics, docs.sglang.ai/references/production_metrics.html, and
https://nvidia.github.io/TensorRT-LLM/commands/trtllm-serve/trtllm-serve.html (/prometheus/metrics)."""

_MODEL: Final = "llm-d.ai/model"


def check(world: World) -> Iterator[Finding]:
    for monitor in world.of_kind("PodMonitor", "PodMonitoring", "ServiceMonitor"):
        yield from _monitor(world, monitor)
    for engine in world.engines:
        yield from _model(engine)


def _endpoints(monitor: Manifest) -> tuple[str, Any]:
    key = {"PodMonitor": "podMetricsEndpoints", "PodMonitoring": "endpoints"}.get(monitor.kind, "endpoints")
    return key, monitor.rows("spec", key)


def _monitor(world: World, monitor: Manifest) -> Iterator[Finding]:
    if monitor.kind == "ServiceMonitor":
        yield from _service_monitor(world, monitor)
        return
    if not _own_namespace(monitor):
        return
    pods = world.selected(monitor.table("spec", "selector", "matchLabels"), monitor.namespace)
    key, rows = _endpoints(monitor)
    for index, row in enumerate(rows):
        place = ("spec", key, index)
        port = look(row, "port")
        there = {name for pod in pods for container in pod.containers() for name, _ in container.ports}
        if pods and isinstance(port, str) and port not in there:
            message = f"No container of the selected pods has a port called {port}."
            listed = ", ".join(sorted(name for name in there if name)) or "no port with a name"
            yield monitor.finding(CODES["LD1605"], (*place, "port"), message, f"They have {listed}.")
            continue
        engines = [engine for engine in world.engines if engine.container.pod in pods and _named(engine, port)]
        yield from _path(monitor, place, str(look(row, "path") or "/metrics"), engines)


def _own_namespace(monitor: Manifest) -> bool:
    return not monitor.table("spec", "namespaceSelector") and not monitor.rows("spec", "selector", "matchExpressions")


def _named(engine: Engine, port: object) -> bool:
    return dict(engine.container.ports).get(str(port)) is not None


def _path(monitor: Manifest, place: tuple[str | int, ...], path: str, engines: list[Engine]) -> Iterator[Finding]:
    for engine in engines[:1]:
        if path != PATHS[engine.name]:
            message = f"The path is {path}, and {engine.name} has its metrics at {PATHS[engine.name]}."
            yield monitor.finding(CODES["LD1605"], place, message, f"State path: {PATHS[engine.name]}.")


def _service_monitor(world: World, monitor: Manifest) -> Iterator[Finding]:
    labels = monitor.table("spec", "selector", "matchLabels")
    if not labels or not _own_namespace(monitor):
        return
    services = [
        service
        for service in world.of_kind("Service")
        if all(service.get("metadata", "labels", key) == value for key, value in labels.items())
    ]
    names = {str(look(row, "name") or "") for service in services for row in service.rows("spec", "ports")}
    for index, row in enumerate(monitor.rows("spec", "endpoints")):
        port = look(row, "port")
        if services and isinstance(port, str) and port not in names:
            message = f"No selected Service has a port called {port}."
            listed = ", ".join(sorted(name for name in names if name)) or "no port with a name"
            place = ("spec", "endpoints", index, "port")
            yield monitor.finding(CODES["LD1605"], place, message, f"They have {listed}.")


def _model(engine: Engine) -> Iterator[Finding]:
    pod = engine.container.pod
    label = pod.labels.get(_MODEL)
    names = [name for name in (engine.model, *engine.served_names) if name]
    if not isinstance(label, str) or not label or not names or any(name.startswith("/") for name in names[:1]):
        return
    plain = _plain(label)
    for name in names:
        words = (_plain(name), _plain(name.rpartition("/")[2]))
        if any(plain in word or word in plain for word in words if word):
            return
    sizes = _sizes(label), {size for name in names for size in _sizes(name)}
    shared = _words(label) & {word for name in names for word in _words(name)}
    if shared and (not all(sizes) or sizes[0] & sizes[1]):
        return  # a short form such as `llama-8b`
    message = f"The label {_MODEL} says {label}, and the engine serves {names[0]}."
    yield pod.workload.finding(
        CODES["LD1966"], (*pod.place, "metadata", "labels", _MODEL), message, "Make the two agree."
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _sizes(name: str) -> set[str]:
    """`32b` of `Qwen3-32B`."""
    return set(re.findall(r"(?<![0-9.])(\d+(?:\.\d+)?b)(?![a-z0-9])", name.lower()))


def _words(name: str) -> set[str]:
    """The words of a name that tell one model from another: with a letter, and no size."""
    return {
        word for word in re.split(r"[^a-z0-9.]+", name.lower()) if re.search(r"[a-z]{3}", word) and word != "instruct"
    }
