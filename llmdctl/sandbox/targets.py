"""The cluster's pods as Prometheus's own discovery would give them: pure, pods in, target groups out.

One target for every declared port of every container, or one without a port for a container that declares none, with
the `__meta_kubernetes_` labels of role pod. Source:
https://prometheus.io/docs/prometheus/2.42/configuration/configuration/#pod
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Object = Mapping[str, Any]

_META = "__meta_kubernetes_"


def targets(pods: Iterable[Object]) -> list[dict[str, Any]]:
    """Target groups in the form of a file of `file_sd_config`, in a fixed order; pods without address are left out."""
    ordered = sorted(pods, key=lambda pod: (pod["metadata"]["namespace"], pod["metadata"]["name"]))
    return [group for pod in ordered if pod.get("status", {}).get("podIP") for group in _of_pod(pod)]


def _of_pod(pod: Object) -> Iterable[dict[str, Any]]:
    address = pod["status"]["podIP"]
    general = _labels(pod)
    for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
        own = general | {f"{_META}pod_container_name": container["name"]}
        for port in container.get("ports", []):
            number = str(port["containerPort"])
            labels = {
                f"{_META}pod_container_port_name": port.get("name", ""),
                f"{_META}pod_container_port_number": number,
                f"{_META}pod_container_port_protocol": port.get("protocol", "TCP"),
            }
            yield {"targets": [f"{address}:{number}"], "labels": own | labels}
        if not container.get("ports"):
            yield {"targets": [address], "labels": own}


def _labels(pod: Object) -> dict[str, str]:
    metadata, status = pod["metadata"], pod["status"]
    ready = [entry["status"] for entry in status.get("conditions", []) if entry["type"] == "Ready"]
    found = {
        f"{_META}namespace": metadata["namespace"],
        f"{_META}pod_name": metadata["name"],
        f"{_META}pod_ip": status["podIP"],
        f"{_META}pod_phase": status.get("phase", "Unknown"),
        f"{_META}pod_ready": (ready or ["Unknown"])[0].lower(),
        f"{_META}pod_node_name": pod["spec"].get("nodeName", ""),
        f"{_META}pod_host_ip": status.get("hostIP", ""),
        f"{_META}pod_uid": metadata.get("uid", ""),
    }
    owner = next((entry for entry in metadata.get("ownerReferences", []) if entry.get("controller")), None)
    if owner is not None:
        found |= {f"{_META}pod_controller_kind": owner["kind"], f"{_META}pod_controller_name": owner["name"]}
    for kind in ("label", "annotation"):
        for name, value in metadata.get(f"{kind}s", {}).items():
            safe = re.sub(r"[^A-Za-z0-9_]", "_", name)
            found |= {f"{_META}pod_{kind}_{safe}": value, f"{_META}pod_{kind}present_{safe}": "true"}
    return found
