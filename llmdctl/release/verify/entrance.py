"""Where a client's request goes in: the proxy of a standalone release, or a pod of its Gateway."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from llmdctl.errors import ClusterError
from llmdctl.kube import Cluster, KubernetesObject
from llmdctl.model.release import ObjectKey
from llmdctl.release.verify.stack import Stack

_GATEWAY_LABELS: Final = ("gateway.networking.k8s.io/gateway-name", "gateway.envoyproxy.io/owning-gateway-name")
"""On what a controller makes for a Gateway: https://gateway-api.sigs.k8s.io/geps/gep-1762/, and Envoy Gateway's own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entrance:
    """A port of a pod, and what a request needs to be taken there."""

    namespace: str
    pod: str
    port: int
    via: str  # `Service/ns/name` or `Gateway/ns/name`
    host: str = ""  # the Host header; empty: none is needed
    prefix: str = ""  # before the path

    def __str__(self) -> str:
        return f"{self.via} (pod {self.pod}, port {self.port})"


def find(cluster: Cluster, stack: Stack) -> Entrance | str:
    """The entrance, or why there is none that can be used from here."""
    gateway = _gateway(stack)
    try:
        if gateway is not None:
            return _of_gateway(cluster, stack, *gateway)
        return _of_proxy(cluster, stack)
    except ClusterError as error:
        return error.message


def _of_proxy(cluster: Cluster, stack: Stack) -> Entrance | str:
    if stack.epp is None:
        return "the release has no endpoint picker and no route, so there is no entrance to send requests to"
    labels = stack.epp.container.pod.labels
    for service in stack.of_kind("Service"):
        spec = service.get("spec") or {}
        selector = spec.get("selector") or {}
        port = next((row for row in spec.get("ports") or () if row.get("name") == "http"), None)
        if port is not None and selector and selector.items() <= labels.items():
            via = f"Service/{stack.namespace}/{service['metadata']['name']}"
            return through(cluster, stack.namespace, selector, port.get("targetPort", port.get("port")), via)
    return "no Service of the release leads to a proxy"


def _gateway(stack: Stack) -> tuple[str, str] | None:
    """Namespace and name of the Gateway that the release's route hangs on."""
    for route in stack.of_kind("HTTPRoute"):
        for parent in (route.get("spec") or {}).get("parentRefs") or ():
            if parent.get("kind", "Gateway") == "Gateway":
                return str(parent.get("namespace") or stack.namespace), str(parent.get("name"))
    own = next(iter(stack.of_kind("Gateway")), None)
    return (stack.namespace, str(own["metadata"]["name"])) if own is not None else None


def _of_gateway(cluster: Cluster, stack: Stack, namespace: str, name: str) -> Entrance | str:
    key = ObjectKey(
        api_version="gateway.networking.k8s.io/v1", kind="Gateway", namespace=namespace, name=name
    )  # fmt: skip
    gateway = cluster.get(key)
    if gateway is None:
        return f"there is no Gateway {namespace}/{name}"
    listeners = (gateway.get("spec") or {}).get("listeners") or ()
    listener = next((row for row in listeners if row.get("protocol") == "HTTP"), None)
    if listener is None:
        return f"Gateway {namespace}/{name} has no listener of protocol HTTP, and verify brings no certificate"
    for label in _GATEWAY_LABELS:
        for service in cluster.list_objects("v1", "Service", labels={label: name}):
            spec = service.get("spec") or {}
            port = next((row for row in spec.get("ports") or () if row.get("port") == listener.get("port")), None)
            if port is None or not spec.get("selector"):
                continue
            found = through(
                cluster, str(service["metadata"]["namespace"]), spec["selector"],
                port.get("targetPort", port.get("port")), f"Gateway/{namespace}/{name}",
            )  # fmt: skip
            return found if isinstance(found, str) else _routed(found, stack, listener)
    return f"no pod of Gateway {namespace}/{name} is in this cluster: a load balancer outside it takes the requests"


def _routed(found: Entrance, stack: Stack, listener: Mapping[str, Any]) -> Entrance:
    route = next(iter(stack.of_kind("HTTPRoute")), {})
    spec = route.get("spec") or {}
    names = [*(spec.get("hostnames") or ()), *([listener["hostname"]] if listener.get("hostname") else [])]
    rule: Mapping[str, Any] = next(iter(spec.get("rules") or ()), {})
    path = next((match.get("path") or {} for match in rule.get("matches") or ()), {})
    prefix = str(path.get("value", "/")).rstrip("/")
    return Entrance(
        namespace=found.namespace, pod=found.pod, port=found.port, via=found.via,
        host=str(names[0]).replace("*", "verify") if names else "", prefix="" if prefix.startswith("/v1") else prefix,
    )  # fmt: skip


def through(
    cluster: Cluster, namespace: str, selector: Mapping[str, str], target: int | str, via: str
) -> Entrance | str:
    """A ready pod that a Service selects, with the port behind its `targetPort`; or why there is none.

    Raises the errors of `Cluster`.
    """
    pods = cluster.list_objects("v1", "Pod", namespace=namespace, labels=selector)
    for pod in pods:
        port = _container_port(pod, target)
        if port is not None and is_ready(pod):
            return Entrance(namespace=namespace, pod=str(pod["metadata"]["name"]), port=port, via=via)
    return f"none of the {len(pods)} pods behind {via} is ready"


def _container_port(pod: KubernetesObject, target: int | str) -> int | None:
    if isinstance(target, int) or str(target).isdigit():
        return int(target)
    ports = [port for row in _containers(pod) for port in row.get("ports") or ()]
    return next((int(port["containerPort"]) for port in ports if port.get("name") == target), None)


def _containers(pod: KubernetesObject) -> Iterable[Mapping[str, Any]]:
    spec = pod.get("spec") or {}
    rows: Sequence[Mapping[str, Any]] = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    return rows


def is_ready(pod: KubernetesObject) -> bool:
    """Whether a pod takes requests: ready, and not on its way out."""
    if (pod.get("metadata") or {}).get("deletionTimestamp"):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(row.get("type") == "Ready" and row.get("status") == "True" for row in conditions)
