"""From the host to a service of a sandbox: its address in the real node's network, and a relay to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from llmdctl.errors import UsageError
from llmdctl.sandbox.api import Api, NotFound, Object, Resource
from llmdctl.sandbox.node.relay import Relay, listener

_SERVICES = Resource(path="api/v1", plural="services")


def target(api: Api, namespace: str, service: str, port: int | None) -> tuple[str, int]:
    """(address, port) of a service. Raises UsageError for a service or port that there is not, and a headless one."""
    try:
        found = api.get(_SERVICES.url(service, namespace=namespace))
    except NotFound as error:
        names = [item["metadata"]["name"] for item in api.items(_SERVICES.url(namespace=namespace))]
        raise UsageError(
            f"there is no service '{service}' in namespace '{namespace}'",
            remedy=f"There is: {', '.join(names)}." if names else "Choose another namespace with -n.",
        ) from error
    address = found["spec"].get("clusterIP", "None")
    if address in ("", "None"):
        raise UsageError(f"service '{service}' has no address of its own", remedy="Use a service with a cluster IP.")
    return address, _port(found, service, port)


@contextlib.contextmanager
def opened(pid: int, far: tuple[str, int], *, to: int = 0) -> Iterator[int]:
    """The port at 127.0.0.1 that is carried to `far` in the network of `pid`, until the context ends."""
    listening = listener(to)
    here = int(listening.getsockname()[1])
    relay = Relay(listening, pid=pid, target=far)
    try:
        yield here
    finally:
        relay.close()


def _port(found: Object, service: str, port: int | None) -> int:
    ports = [int(item["port"]) for item in found["spec"].get("ports", []) if item.get("protocol", "TCP") == "TCP"]
    if port is None and ports:
        return ports[0]
    if port is None or port not in ports:
        listed = ", ".join(str(one) for one in ports) or "none"
        raise UsageError(f"service '{service}' has no TCP port {port or ''}".rstrip(), remedy=f"It has: {listed}.")
    return port
