"""A standalone Envoy's configuration: whom it asks for an endpoint, and how. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from llmdctl.lint.manifest import look, rows


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """The cluster that an ext_proc filter asks."""

    cluster: str
    host: str  # empty: the cluster is not in the configuration
    port: int
    tls: bool
    allows_failure: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvoyConfig:
    """What matters of a configuration. `problem` says why it cannot be read."""

    asking: tuple[Asking, ...] = ()
    ports: tuple[int, ...] = ()  # of the listeners
    addresses: tuple[str, ...] = ()  # of the listeners
    problem: str = ""


def read(text: str) -> EnvoyConfig:
    """A bootstrap configuration in YAML or JSON."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        return EnvoyConfig(problem=f"it is no valid YAML: {getattr(error, 'problem', None) or error}")
    if not isinstance(value, Mapping):
        return EnvoyConfig(problem="it is no mapping")
    listeners = rows(value, "static_resources", "listeners")
    ports = [look(row, "address", "socket_address", "port_value") for row in listeners]
    addresses = [look(row, "address", "socket_address", "address") for row in listeners]
    return EnvoyConfig(
        asking=tuple(_asking(value, entry) for entry in _filters(listeners)),
        ports=tuple(port for port in ports if isinstance(port, int)),
        addresses=tuple(address for address in addresses if isinstance(address, str)),
    )


def _filters(listeners: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401 - a part of a configuration
    for listener in listeners:
        for chain in rows(listener, "filter_chains"):
            for entry in rows(chain, "filters"):
                for inner in rows(entry, "typed_config", "http_filters"):
                    if "ext_proc" in str(look(inner, "name")) and isinstance(inner, Mapping):
                        yield inner


def _asking(value: Mapping[str, Any], entry: Mapping[str, Any]) -> Asking:
    name = str(look(entry, "typed_config", "grpc_service", "envoy_grpc", "cluster_name") or "")
    cluster = next((row for row in rows(value, "static_resources", "clusters") if look(row, "name") == name), None)
    address = next(
        (
            look(endpoint, "endpoint", "address", "socket_address")
            for group in rows(cluster, "load_assignment", "endpoints")
            for endpoint in rows(group, "lb_endpoints")
        ),
        None,
    )
    return Asking(
        cluster=name,
        host=str(look(address, "address") or ""),
        port=int(look(address, "port_value") or 0),
        tls=look(cluster, "transport_socket") is not None,
        allows_failure=look(entry, "typed_config", "failure_mode_allow") is True,
    )
