"""The address that a client of a release talks to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llmdctl.kube import Cluster, KubernetesObject, key_of

_HTTP_PORT: Final = "http"  # the name of the proxy's port on the Service of a standalone release
_COMPONENT_SUFFIX: Final = "-epp"


def endpoint(cluster: Cluster, objects: Sequence[KubernetesObject]) -> str | None:
    """`scheme://host:port` of the release's Gateway, else of its standalone proxy; None while there is no address.

    A Service without an address from outside is named as pods of the cluster reach it.
    """
    for obj in objects:
        if obj.get("kind") == "Gateway" and str(obj.get("apiVersion", "")).startswith("gateway.networking.k8s.io/"):
            live = cluster.get(key_of(obj))
            return _of_gateway(live) if live is not None else None
    for obj in objects:
        if obj.get("kind") == "Service" and _http_port(obj) is not None:
            live = cluster.get(key_of(obj))
            return _of_service(live) if live is not None else None
    return None


def _http_port(service: KubernetesObject) -> int | None:
    """The port of a proxy's Service; other Services of a release have no port of that name at 80."""
    if not key_of(service).name.endswith(_COMPONENT_SUFFIX):
        return None
    ports = (service.get("spec") or {}).get("ports") or ()
    return next((int(port["port"]) for port in ports if port.get("name") == _HTTP_PORT), None)


def _of_gateway(gateway: KubernetesObject) -> str | None:
    listeners = (gateway.get("spec") or {}).get("listeners") or ()
    addresses = (gateway.get("status") or {}).get("addresses") or ()
    if not listeners or not addresses:
        return None
    listener: Mapping[str, Any] = listeners[0]
    scheme = "https" if listener.get("protocol") == "HTTPS" else "http"
    hostname = str(listener.get("hostname") or "")
    host = hostname if hostname and not hostname.startswith("*") else str(addresses[0].get("value"))
    return f"{scheme}://{_bracketed(host)}:{listener.get('port')}"


def _of_service(service: KubernetesObject) -> str | None:
    key, port = key_of(service), _http_port(service)
    balancer = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    outside = next((str(entry.get("hostname") or entry.get("ip")) for entry in balancer), None)
    if outside is None and (service.get("spec") or {}).get("type") == "LoadBalancer":
        return None
    host = _bracketed(outside) if outside else f"{key.name}.{key.namespace}.svc"
    return f"http://{host}:{port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
