"""The entrance of a chain, and one request to its address when no pod of it can be forwarded to."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from llmdctl.lint import Manifest
from llmdctl.lint.manifest import rows
from llmdctl.release.doctor.case import Case
from llmdctl.release.doctor.hops.address import entrance
from llmdctl.release.doctor.scene import Answer, LivePod

_PATH: Final = "/v1/completions"
_GATEWAY: Final = "gateway.networking.k8s.io/gateway-name"
"""The label of what a controller makes for a Gateway: https://gateway-api.sigs.k8s.io/geps/gep-1762/."""
_LARGEST_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Entrance:
    """Where a request goes in: a proxy's pod, through the API server, or an address, from this machine."""

    words: str
    path: str = _PATH
    headers: Mapping[str, str] = field(default_factory=dict)
    pod: LivePod | None = None
    port: int = 0
    address: str = ""  # scheme://host:port


def entrance_of(case: Case) -> Entrance:
    """The way in that a client would take. Headers and path are those that the route asks for."""
    proxy = case.proxy
    if not case.backends and proxy is not None:
        ready = [pod for pod in proxy.pods if pod.ready] or list(proxy.pods)
        name = f"Service/{proxy.service.namespace}/{proxy.service.name}" if proxy.service else ready[0].name
        port = _number(proxy.port.get("targetPort", proxy.port.get("port")), dict(proxy.container.ports))
        return Entrance(words=name, pod=ready[0], port=port or next((n for _, n in proxy.container.ports), 0))
    path, headers = _asked_for(case)
    for gateway in case.gateways:
        found = _proxy_of(case, gateway)
        if found is not None:
            pod, port = found
            return Entrance(words=gateway.identity, path=path, headers=headers, pod=pod, port=port)
    words = case.gateways[0].identity if case.gateways else "no entrance"
    return Entrance(words=words, path=path, headers=headers, address=entrance(case))


def _number(target: object, named: Mapping[str, int]) -> int:
    return target if isinstance(target, int) else named.get(str(target), 0)


def _proxy_of(case: Case, gateway: Manifest) -> tuple[LivePod, int] | None:
    """A ready pod of the Gateway's data plane in its namespace, and the port behind its first listener."""
    listener: Mapping[str, Any] = next(iter(gateway.rows("spec", "listeners")), {})
    if listener.get("protocol") in ("HTTPS", "TLS"):
        return None  # the certificate names the address, so it is asked for there
    for service in case.scene.of("Service", namespace=gateway.namespace):
        if service.get("metadata", "labels", _GATEWAY) != gateway.name:
            continue
        row = next((row for row in service.rows("spec", "ports") if row.get("port") == listener.get("port")), None)
        pods = case.scene.selected(service.table("spec", "selector"), gateway.namespace)
        pod = next((pod for pod in pods if pod.ready), None)
        if row is None or pod is None:
            continue
        named = {name: number for container in pod.containers for name, number in container.ports if name}
        port = _number(row.get("targetPort", row.get("port")), named)
        if port:
            return pod, port
    return None


def _asked_for(case: Case) -> tuple[str, dict[str, str]]:
    """Path and headers that a rule of the route takes."""
    for backend in case.backends:
        names = backend.route.rows("spec", "hostnames")
        host = {"Host": str(names[0])} if names and not str(names[0]).startswith("*") else {}
        for match in _matches(backend.route, backend.rule):
            headers = {
                str(row.get("name")): str(row.get("value"))
                for row in rows(match, "headers")
                if row.get("type") in (None, "Exact")
            }
            path = match.get("path") or {}
            value = str(path.get("value") or "/").rstrip("/")
            if path.get("type") == "Exact" or value.startswith("/v1"):
                return _PATH, {**host, **headers}
            return f"{value}{_PATH}", {**host, **headers}
    return _PATH, {}


def _matches(route: Manifest, rule: int) -> Iterator[Mapping[str, Any]]:
    yield from rows(route.value, "spec", "rules", rule, "matches") or ({},)


def ask(address: str, path: str, payload: bytes, headers: Mapping[str, str], *, timeout_s: float) -> Answer:
    """One request from this machine. It holds no secret, so a certificate of an unknown authority does not end it."""
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("POST", path, body=payload, headers=dict(headers))
        response = connection.getresponse()
        body = response.read(_LARGEST_BYTES).decode("utf-8", errors="replace")
        return Answer(status=response.status, body=body, headers=dict(response.getheaders()))
    except (OSError, http.client.HTTPException) as failure:
        return _unanswered(failure, address)
    finally:
        connection.close()


def _unanswered(failure: Exception, address: str) -> Answer:
    """Refused is an answer about the entrance; no way there says nothing about it."""
    said = str(failure) or type(failure).__name__
    if isinstance(failure, (ConnectionRefusedError, http.client.HTTPException, ConnectionResetError)):
        return Answer(failure=f"{address}: {said}")
    return Answer(failure=f"{address} cannot be reached from this machine: {said}", untried=True)
