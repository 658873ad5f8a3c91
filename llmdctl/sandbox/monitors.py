"""PodMonitors and ServiceMonitors as scrape configurations: pure, objects in, configuration out.

What the Prometheus operator would write for them, as far as the objects of a release go; every field that is not
translated is named in `Translation.ignored`. Two things differ: a ServiceMonitor's targets are found by the Service's
selector and not by its Endpoints, which a cluster of simulated pods does not have; and all jobs read the pods from one
file that `targets` makes, since the distribution's Prometheus is built without discovery in Kubernetes. Sources:
https://prometheus-operator.dev/docs/api-reference/api/ (fields),
https://prometheus.io/docs/prometheus/2.42/configuration/configuration/ (scrape_config, file_sd_config).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Object = Mapping[str, Any]
SecretFile = Callable[[str, str, str], Path | None]
"""(namespace, Secret, key) -> a file with its value, None when there is no such value."""

SLOWEST_S = 5.0  # nobody pays for a sandbox's scrapes, and what is scaled there is being watched
SERVICE_ACCOUNT_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
_DURATION = re.compile(r"(\d+)(ms|s|m|h|d|w|y)")
_UNIT_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_RELABELING = {
    "sourceLabels": "source_labels",
    "separator": "separator",
    "targetLabel": "target_label",
    "regex": "regex",
    "modulus": "modulus",
    "replacement": "replacement",
    "action": "action",
}
_ENDPOINT = frozenset(
    {
        *("port", "portNumber", "targetPort", "path", "scheme", "params", "interval", "scrapeTimeout", "honorLabels"),
        *("relabelings", "metricRelabelings", "bearerTokenFile", "authorization", "tlsConfig"),
    }
)
_MONITOR = frozenset(
    {
        *("selector", "namespaceSelector", "podMetricsEndpoints", "endpoints", "podTargetLabels", "targetLabels"),
        "jobLabel",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Translation:
    """Scrape configurations, in the order of their names, and what of the monitors they leave out."""

    jobs: tuple[dict[str, Any], ...]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What a translation needs beside the monitors: the file with all pods, and that with Prometheus's own token."""

    pods: Path
    token: Path
    secret: SecretFile
    services: Iterable[Object] = field(default_factory=tuple)


def translate(pod_monitors: Iterable[Object], service_monitors: Iterable[Object], around: Surroundings) -> Translation:
    """All monitors of a cluster."""
    jobs: list[dict[str, Any]] = []
    ignored: list[str] = []
    for monitor in sorted(pod_monitors, key=_full_name):
        jobs += _of_pods(monitor, around, ignored)
    for monitor in sorted(service_monitors, key=_full_name):
        jobs += _of_services(monitor, around, ignored)
    return Translation(jobs=tuple(jobs), ignored=tuple(ignored))


def annotated(pods: Path) -> dict[str, Any]:
    """The job that takes pods by the annotations prometheus.io/scrape, path and port.

    As the job kubernetes-pods of the community's chart:
    https://github.com/prometheus-community/helm-charts/tree/main/charts/prometheus
    """
    annotation = "__meta_kubernetes_pod_annotation_prometheus_io_"
    return {
        "job_name": "kubernetes-pods",
        "scrape_interval": _text(SLOWEST_S),
        "file_sd_configs": [{"files": [str(pods)]}],
        "relabel_configs": [
            {"source_labels": [f"{annotation}scrape"], "regex": "true", "action": "keep"},
            {"source_labels": ["__meta_kubernetes_pod_phase"], "regex": "Pending|Failed|Succeeded", "action": "drop"},
            {"source_labels": [f"{annotation}path"], "regex": "(.+)", "target_label": "__metrics_path__"},
            {
                "source_labels": ["__meta_kubernetes_pod_ip", f"{annotation}port"],
                "regex": "(.+);(.+)",
                "replacement": "$1:$2",
                "target_label": "__address__",
            },
            {"regex": "__meta_kubernetes_pod_label_(.+)", "action": "labelmap"},
            _copied("__meta_kubernetes_namespace", "namespace"),
            _copied("__meta_kubernetes_pod_name", "pod"),
            _copied("__meta_kubernetes_pod_node_name", "node"),
        ],
    }


def seconds(duration: str) -> float:
    """A duration such as `1m30s`. Raises ValueError for what is none."""
    parts = _DURATION.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise ValueError(f"{duration!r} is no duration")
    return float(sum(int(number) * _UNIT_S[unit] for number, unit in parts))


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector of the API takes an object with these labels; an empty one takes all."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for rule in selector.get("matchExpressions", []):
        value, given = labels.get(rule["key"]), rule.get("values", [])
        holds = {
            "In": value in given,
            "NotIn": value not in given,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }[rule["operator"]]
        if not holds:
            return False
    return True


def chosen(selector: Object) -> list[dict[str, Any]]:
    """A label selector of pods as relabelings, which keep or drop targets."""
    found = []
    rules = [
        {"key": key, "operator": "In", "values": [value]} for key, value in selector.get("matchLabels", {}).items()
    ]
    for rule in [*rules, *selector.get("matchExpressions", [])]:
        label = _safe(rule["key"])
        present = f"__meta_kubernetes_pod_labelpresent_{label}"
        keeps = rule["operator"] in ("In", "Exists")
        if rule["operator"] in ("In", "NotIn"):
            sources = [f"__meta_kubernetes_pod_label_{label}", present]
            pattern = f"({_any_of(rule['values'])});true"
        else:
            sources, pattern = [present], "true"
        found.append({"source_labels": sources, "regex": pattern, "action": "keep" if keeps else "drop"})
    return found


def _of_pods(monitor: Object, around: Surroundings, ignored: list[str]) -> Iterable[dict[str, Any]]:
    spec, name = monitor["spec"], _full_name(monitor)
    _note(f"PodMonitor {name}", spec, _MONITOR, ignored)
    for index, endpoint in enumerate(spec.get("podMetricsEndpoints", [])):
        _note(f"PodMonitor {name}, endpoint {index}", endpoint, _ENDPOINT, ignored)
        relabelings = [
            *_near(_namespaces(monitor)),
            *chosen(spec["selector"]),
            *_target(endpoint.get("port"), endpoint.get("portNumber", endpoint.get("targetPort"))),
            {"target_label": "job", "replacement": name},
            {"target_label": "endpoint", "replacement": str(endpoint.get("port", ""))},
            *_pod_labels(spec),
        ]
        yield _job(f"podMonitor/{name}/{index}", endpoint, relabelings, monitor, around)


def _of_services(monitor: Object, around: Surroundings, ignored: list[str]) -> Iterable[dict[str, Any]]:
    spec, name = monitor["spec"], _full_name(monitor)
    _note(f"ServiceMonitor {name}", spec, _MONITOR, ignored)
    for index, endpoint in enumerate(spec["endpoints"]):
        _note(f"ServiceMonitor {name}, endpoint {index}", endpoint, _ENDPOINT, ignored)
        for service in sorted(_services(monitor, around.services), key=_full_name):
            target = _service_port(service, endpoint)
            if target is None:
                continue
            service_name = service["metadata"]["name"]
            label = service["metadata"].get("labels", {}).get(spec.get("jobLabel"), service_name)
            relabelings = [
                *_near([service["metadata"]["namespace"]]),
                *chosen({"matchLabels": service["spec"]["selector"]}),
                *_target(*((target, None) if isinstance(target, str) else (None, target))),
                {"target_label": "service", "replacement": service_name},
                {"target_label": "job", "replacement": label},
                {"target_label": "endpoint", "replacement": str(endpoint.get("port", endpoint.get("targetPort", "")))},
                *_pod_labels(spec),
                *_service_labels(spec, service),
            ]
            yield _job(f"serviceMonitor/{name}/{index}/{service_name}", endpoint, relabelings, monitor, around)


def _services(monitor: Object, services: Iterable[Object]) -> Iterable[Object]:
    namespaces = _namespaces(monitor)
    for service in services:
        near = not namespaces or service["metadata"]["namespace"] in namespaces
        labels = service["metadata"].get("labels", {})
        if near and service["spec"].get("selector") and selects(monitor["spec"]["selector"], labels):
            yield service


def _service_port(service: Object, endpoint: Object) -> str | int | None:
    """What a Service's port is called, or numbered, in its pods; None when it has no such port."""
    target: str | int | None = endpoint.get("targetPort")
    if endpoint.get("port") is None:
        return target
    for port in service["spec"].get("ports", []):
        if port.get("name") == endpoint["port"]:
            found: str | int = port.get("targetPort", port["port"])
            return found
    return None


def _job(
    name: str, endpoint: Object, relabelings: list[dict[str, Any]], monitor: Object, around: Surroundings
) -> dict[str, Any]:
    interval_s = min(seconds(endpoint["interval"]) if endpoint.get("interval") else SLOWEST_S, SLOWEST_S)
    given_s = seconds(endpoint["scrapeTimeout"]) if endpoint.get("scrapeTimeout") else interval_s
    job: dict[str, Any] = {
        "job_name": name,
        "honor_labels": bool(endpoint.get("honorLabels", False)),
        "metrics_path": endpoint.get("path") or "/metrics",
        "scheme": (endpoint.get("scheme") or "http").lower(),
        "scrape_interval": _text(interval_s),
        "scrape_timeout": _text(min(given_s, interval_s)),
        "file_sd_configs": [{"files": [str(around.pods)]}],
        "relabel_configs": [
            {"source_labels": ["__meta_kubernetes_pod_phase"], "regex": "Failed|Succeeded", "action": "drop"},
            _copied("__meta_kubernetes_namespace", "namespace"),
            _copied("__meta_kubernetes_pod_container_name", "container"),
            _copied("__meta_kubernetes_pod_name", "pod"),
            *relabelings,
            *(_relabeling(entry) for entry in endpoint.get("relabelings", [])),
        ],
        "metric_relabel_configs": [_relabeling(entry) for entry in endpoint.get("metricRelabelings", [])],
    }
    if endpoint.get("params"):
        job["params"] = dict(endpoint["params"])
    tls = endpoint.get("tlsConfig") or {}
    if tls:
        job["tls_config"] = {
            "insecure_skip_verify": bool(tls.get("insecureSkipVerify", False)),
            "server_name": tls.get("serverName", ""),
        }
    return job | _authorization(endpoint, monitor, around)


def _authorization(endpoint: Object, monitor: Object, around: Surroundings) -> dict[str, Any]:
    if endpoint.get("bearerTokenFile") == SERVICE_ACCOUNT_TOKEN:
        return {"authorization": {"credentials_file": str(around.token)}}
    given = endpoint.get("authorization")
    if not given or not given.get("credentials"):
        return {}
    reference = given["credentials"]
    found = around.secret(monitor["metadata"]["namespace"], reference["name"], reference["key"])
    if (
        found is None
    ):  # the operator leaves a monitor out whose Secret is not there; the scrape then fails for all to see
        return {}
    return {"authorization": {"type": given.get("type") or "Bearer", "credentials_file": str(found)}}


def _namespaces(monitor: Object) -> list[str]:
    """Where a monitor looks; empty for everywhere."""
    selector = monitor["spec"].get("namespaceSelector") or {}
    if selector.get("any"):
        return []
    return list(selector.get("matchNames") or [monitor["metadata"]["namespace"]])


def _near(namespaces: list[str]) -> list[dict[str, Any]]:
    if not namespaces:
        return []
    return [{"source_labels": ["__meta_kubernetes_namespace"], "regex": _any_of(namespaces), "action": "keep"}]


def _target(name: str | None, number: int | str | None) -> list[dict[str, Any]]:
    if name:
        return [_kept("__meta_kubernetes_pod_container_port_name", name)]
    return [_kept("__meta_kubernetes_pod_container_port_number", str(number))] if number else []


def _pod_labels(spec: Object) -> list[dict[str, Any]]:
    return [
        {"source_labels": [f"__meta_kubernetes_pod_label_{safe}"], "regex": "(.+)", "target_label": safe}
        for safe in (_safe(label) for label in spec.get("podTargetLabels", []))
    ]


def _service_labels(spec: Object, service: Object) -> list[dict[str, Any]]:
    labels = service["metadata"].get("labels", {})
    return [
        {"target_label": _safe(label), "replacement": labels[label]}
        for label in spec.get("targetLabels", [])
        if label in labels
    ]


def _relabeling(entry: Object) -> dict[str, Any]:
    found = {_RELABELING[key]: value for key, value in entry.items() if key in _RELABELING}
    if "action" in found:
        found["action"] = str(found["action"]).lower()  # the operator takes Replace as well
    return found


def _copied(source: str, target: str) -> dict[str, Any]:
    return {"source_labels": [source], "target_label": target}


def _kept(source: str, value: str) -> dict[str, Any]:
    return {"source_labels": [source], "regex": _any_of([value]), "action": "keep"}


def _any_of(values: Iterable[str]) -> str:
    return "|".join(re.escape(value).replace(r"\-", "-") for value in values)  # RE2 knows no escaped hyphen


def _note(what: str, given: Object, known: frozenset[str], ignored: list[str]) -> None:
    ignored += [f"{what}: {key} is not translated" for key in sorted(set(given) - known)]


def _safe(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", label)


def _text(duration_s: float) -> str:
    return f"{round(duration_s * 1000)}ms"


def _full_name(item: Object) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"
