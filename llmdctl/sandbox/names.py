"""The cluster's Service names for processes outside any pod: a forward proxy on loopback.

KEDA's operator asks Prometheus under the address that a recipe renders, `http://NAME.NAMESPACE.svc.cluster.local:PORT`.
Inside a pod the cluster's DNS and kube-proxy make that an address; a process of a sandbox has neither, and changing the
machine's resolver is out of the question. Every HTTP client knows `HTTP_PROXY`: this proxy looks the Service up in the
API and passes the request on to a ready pod of it, to an endpoint written down for it, or to where an ExternalName
leads. A name that no Service has is answered with 502, as a resolver would refuse it. Run as
`python -m llmdctl.sandbox.names HOME`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import sys
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, urlsplit

from llmdctl.errors import ClusterError
from llmdctl.sandbox import record
from llmdctl.sandbox.api import Api, NotFound, Object, Resource
from llmdctl.sandbox.certificates import Pair
from llmdctl.sandbox.home import Home

COMPONENT = "names"
SERVICES = Resource(path="api/v1", plural="services")
ENDPOINTS = Resource(path="api/v1", plural="endpoints")
PODS = Resource(path="api/v1", plural="pods")
_LOG = logging.getLogger(COMPONENT)
_HEAD_LIMIT = 64 * 1024  # bytes
_CHUNK = 64 * 1024  # bytes
_DIAL_LIMIT_S = 5.0
_SUFFIXES = ("svc.cluster.local", "svc")
_DROPPED = (b"proxy-connection:", b"connection:", b"keep-alive:")

Address = tuple[str, int]


class Unresolved(Exception):
    """A name that leads nowhere, and why."""


def split(host: str) -> tuple[str, str]:
    """`NAME.NAMESPACE[.svc[.cluster.local]]` as (namespace, name). Raises Unresolved for any other name."""
    for suffix in _SUFFIXES:
        host = host.removesuffix(f".{suffix}")
    name, _, namespace = host.partition(".")
    if not name or not namespace or "." in namespace:
        raise Unresolved(f"no such host: {host} is not the name of a Service")
    return namespace, name


def choices(service: Object, endpoints: Object | None, pods: Iterable[Object], port: int) -> list[Address]:
    """Every (host, port) that answers for one port of a Service: what kube-proxy would choose from.

    An ExternalName leads to its name, at the port's targetPort. Raises Unresolved when the Service has no such port.
    """
    found = next((entry for entry in service["spec"].get("ports", []) if entry["port"] == port), None)
    if found is None:
        raise Unresolved(f"Service {service['metadata']['name']} has no port {port}")
    target = found.get("targetPort", port)
    if service["spec"].get("type") == "ExternalName":
        return [(service["spec"]["externalName"], int(target))]
    if service["spec"].get("selector"):
        return [(pod["status"]["podIP"], number) for pod in pods if (number := _port_of(pod, target))]
    return [
        (address["ip"], int(entry["port"]))
        for subset in (endpoints or {}).get("subsets", [])
        for address in subset.get("addresses", [])
        for entry in subset["ports"]
        if entry.get("name", "") == found.get("name", "")
    ]


def _port_of(pod: Object, target: int | str) -> int | None:
    """The number of a pod's port, or None when the pod is not ready or has no port of that name."""
    conditions = pod.get("status", {}).get("conditions", [])
    if not any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions):
        return None
    if isinstance(target, int):
        return target
    containers = [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    ports = (entry for container in containers for entry in container.get("ports", []))
    return next((int(entry["containerPort"]) for entry in ports if entry.get("name") == target), None)


def resolve(api: Api, host: str, port: int) -> Address:
    """One address for a Service's name and port. Raises Unresolved, ClusterError."""
    namespace, name = split(host)
    try:
        service = api.get(SERVICES.url(name, namespace=namespace))
    except NotFound:
        raise Unresolved(f"no such host: there is no Service {namespace}/{name}") from None
    selector = service["spec"].get("selector")
    endpoints: Object | None = None
    pods: list[Object] = []
    if selector:
        labels = quote(",".join(f"{key}={value}" for key, value in selector.items()))
        pods = api.items(f"{PODS.url(namespace=namespace)}?labelSelector={labels}")
    elif service["spec"].get("type") != "ExternalName":
        with contextlib.suppress(NotFound):
            endpoints = api.get(ENDPOINTS.url(name, namespace=namespace))
    addresses = choices(service, endpoints, pods, port)
    if not addresses:
        raise Unresolved(f"connection refused: Service {namespace}/{name} has no ready endpoint")
    return random.choice(addresses)


def forwarded(head: bytes) -> tuple[str, int, bytes]:
    """A request's host, port and the head to send on: origin form, one request a connection. Raises ValueError.

    For CONNECT the head is empty: what follows belongs to the two ends. Source: RFC 9112, sections 3.2.2 and 3.2.3.
    """
    line, *headers = head.rstrip(b"\r\n").split(b"\r\n")
    method, target, version = line.split(b" ")
    if method == b"CONNECT":
        host, _, number = target.decode("ascii").rpartition(":")
        return host, int(number), b""
    address = urlsplit(target.decode("ascii"))
    if address.scheme != "http" or not address.hostname:
        raise ValueError("only plain http addresses and CONNECT are passed on")
    path = (address.path or "/") + (f"?{address.query}" if address.query else "")
    kept = [header for header in headers if not header.lower().startswith(_DROPPED)]
    lines = [b" ".join((method, path.encode("ascii"), version)), *kept, b"Connection: close", b"", b""]
    return address.hostname, address.port or 80, b"\r\n".join(lines)


class Proxy:
    """The server."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client."""
        try:
            await self._pass(reader, writer)
        except (Unresolved, ClusterError) as error:
            _LOG.warning("%s", error)
            _refuse(writer, "502 Bad Gateway", str(error))
        except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            _refuse(writer, "400 Bad Request", str(error))
        except OSError as error:
            _LOG.warning("%s", error)
            _refuse(writer, "502 Bad Gateway", str(error))
        finally:
            with contextlib.suppress(OSError):
                writer.close()
                await writer.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port, head = forwarded(await reader.readuntil(b"\r\n\r\n"))
        address = await asyncio.to_thread(resolve, self._api, host, port)
        async with asyncio.timeout(_DIAL_LIMIT_S):
            far_reader, far_writer = await asyncio.open_connection(*address)
        _LOG.info("%s:%d is %s:%d", host, port, *address)
        if head:
            far_writer.write(head)
        else:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        up = asyncio.create_task(_copy(reader, far_writer))
        try:
            await _copy(far_reader, writer)
        finally:
            up.cancel()
            far_writer.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Bytes until `source` ends; the other direction may go on."""
    with contextlib.suppress(ConnectionError):
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()


def _refuse(writer: asyncio.StreamWriter, status: str, why: str) -> None:
    body = f"{why}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)


async def run(home_path: Path) -> None:
    """Serve until the process is ended."""
    place = Home(name=home_path.name, path=home_path)
    found = record.read(place)
    if found is None:
        raise SystemExit(f"{home_path} holds no sandbox")
    client = Pair(certificate=place.pki / f"{COMPONENT}.crt", key=place.pki / f"{COMPONENT}.key")
    api = Api(port=found.ports.api_server, authority=place.pki / "ca.crt", client=client)
    server = await asyncio.start_server(Proxy(api).serve, "127.0.0.1", found.ports.names, limit=_HEAD_LIMIT)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    asyncio.run(run(Path(sys.argv[1])))
