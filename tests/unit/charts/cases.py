"""Values that exercise the charts, and small tools to look at what they render."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

CHARTS = Path(__file__).resolve().parents[3] / "charts"
UMBRELLA = CHARTS / "llmd"
PARTS = ("gateway", "scheduler", "modelserver", "kvstore", "autoscaling", "monitoring")
WORKLOADS = ("Deployment", "LeaderWorkerSet")
LONGEST = "a234567890-b234567890-c234567890-d234567890-e2345678x"  # 53: Helm takes no longer release name

Manifest = Mapping[str, Any]

BASIC: dict[str, Any] = {"global": {"llmd": {"model": {"id": "Qwen/Qwen3-32B"}, "roles": {"aggregate": {}}}}}
SPLIT: dict[str, Any] = {
    "global": {"llmd": {"model": {"id": "openai/gpt-oss-120b"}, "roles": {"prefill": {}, "decode": {}}}},
    "scheduler": {"handler": "disaggregated"},
}
GATEWAY: dict[str, Any] = {**BASIC, "gateway": {"enabled": True}} | {
    "global": {"llmd": {**BASIC["global"]["llmd"], "mode": "gateway"}}
}
EVERYTHING: dict[str, Any] = {
    "global": {
        "imagePullSecrets": [{"name": "creds"}],
        "llmd": {
            "mode": "gateway",
            "flowControl": True,
            "model": {"id": "openai/gpt-oss-120b", "servedName": "gpt-oss"},
            "roles": {"prefill": {"autoscaled": True}, "decode": {"workload": "LeaderWorkerSet"}},
        },
    },
    "modelserver": {"roles": {"decode": {"nodes": 2, "parallelism": {"tensor": 16}}}},
    "scheduler": {
        "handler": "disaggregated",
        "replicas": 3,
        "leaderElection": False,
        "objectives": {"premium": {"priority": 10}, "batch": {"priority": -10}},
        "flowControl": {"maxConcurrency": 256},
    },
    "gateway": {"enabled": True, "provider": "gke", "gke": {"proxyOnlySubnets": ["10.129.0.0/23"]}},
    "autoscaling": {
        "enabled": True,
        "prometheus": {"serverAddress": "http://prometheus:9090"},
        "roleDefaults": {"triggers": {"queue": {"signal": "queue", "threshold": 4}}},
    },
    "monitoring": {"enabled": True},
}
CASES = {"basic": BASIC, "split": SPLIT, "gateway": GATEWAY, "everything": EVERYTHING}


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Later layers win; maps merge."""
    out: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            both = isinstance(value, Mapping) and isinstance(out.get(name), Mapping)
            out[name] = merged(out[name], value) if both else value
    return out


def at(path: str, value: object) -> dict[str, Any]:
    """Values that set one dotted path."""
    for name in reversed(path.split(".")):
        value = {name: value}
    assert isinstance(value, dict)
    return value


def key(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def pod_templates(manifests: Iterable[Manifest]) -> dict[str, Manifest]:
    """Workload -> its pod template; a change in one restarts the pods of that workload."""
    return {
        f"{manifest['metadata']['name']}{place}": template
        for manifest in manifests
        if manifest["kind"] in WORKLOADS
        for place, template in _templates(manifest)
    }


def _templates(manifest: Manifest) -> Iterator[tuple[str, Manifest]]:
    if manifest["kind"] == "Deployment":
        yield "", manifest["spec"]["template"]
        return
    group = manifest["spec"]["leaderWorkerTemplate"]
    for place in ("leaderTemplate", "workerTemplate"):
        if place in group:
            yield f"/{place}", group[place]


def containers(manifests: Iterable[Manifest]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every container, native sidecars included, with the name of its workload."""
    for name, template in pod_templates(manifests).items():
        for container in (*template["spec"].get("initContainers", ()), *template["spec"]["containers"]):
            yield f"{name}/{container['name']}", container
