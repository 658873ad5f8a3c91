"""A small Gateway controller: the real Envoy, told to do what the objects of a Gateway, its filters and routes say.

The sandbox has no gateway implementation. What Istio would make of the objects that the charts render is made here, as
far as model routing needs it: the filters of EnvoyFilters, routes by header, and for each InferencePool the ext_proc
server of its endpoint picker (https://gateway-api-inference-extension.sigs.k8s.io/). Routes come and go while it runs.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmdctl.sandbox.api import Api, Resource
from tests.e2e.sandbox.objects import GATEWAYS, PODS, POOLS, ROUTES, SERVICES

PORT = 8080
MOUNT = "/etc/gateway"
LABEL = "gateway.networking.k8s.io/gateway-name"  # https://gateway-api.sigs.k8s.io/geps/gep-1762/
FILTERS = Resource(path="apis/networking.istio.io/v1alpha3", plural="envoyfilters")
_LOOK_S = 0.3

Object = Mapping[str, Any]
_TYPE = "type.googleapis.com/envoy."
_EXT_PROC = f"{_TYPE}extensions.filters.http.ext_proc.v3"
_MODES = ("request_header", "request_body", "request_trailer", "response_header", "response_body", "response_trailer")
_ALL = {
    f"{mode}_mode": "FULL_DUPLEX_STREAMED" if mode.endswith("body") else "SEND" for mode in _MODES
}  # what the endpoint picker wants to see
_NOTHING = {f"{mode}_mode": "NONE" if mode.endswith("body") else "SKIP" for mode in _MODES}


@dataclass(frozen=True)
class Gateway:
    """One Gateway of a namespace, served by an Envoy in a pod that reads its configuration from `folder`."""

    api: Api
    namespace: str
    name: str
    image: str
    folder: Path
    written: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Its first configuration, the pod and its Service."""
        self.folder.chmod(0o755)
        self._write("bootstrap.json", _bootstrap(self._filters()))
        self.follow()
        self.api.create(PODS.url(namespace=self.namespace), _pod(self))
        self.api.create(SERVICES.url(namespace=self.namespace), _service(self))

    def follow(self) -> None:
        """Have Envoy do what the cluster's objects say now."""
        pools = {pool["metadata"]["name"]: pool for pool in self.api.items(POOLS.url(namespace=self.namespace))}
        routes = [route for route in self.api.items(ROUTES.url(namespace=self.namespace)) if self._ours(route)]
        known = [row for row in _routes(routes) if row["name"] in pools]
        pickers = [_picker(self.namespace, pool) for pool in pools.values()]
        clusters = [_picked(), *pickers, *(_outbound(row) for row in self._filters() if _asks(row))]
        self._write("clusters.json", _resources(f"{_TYPE}config.cluster.v3.Cluster", clusters))
        virtual = {"name": "models", "domains": ["*"], "routes": known}
        table = {"name": "models", "virtual_hosts": [virtual]}
        self._write("routes.json", _resources(f"{_TYPE}config.route.v3.RouteConfiguration", [table]))

    def _ours(self, route: Object) -> bool:
        return any(parent["name"] == self.name for parent in route["spec"]["parentRefs"])

    def _filters(self) -> list[dict[str, Any]]:
        """HTTP filters of the Gateway, the first to act first: each INSERT_FIRST stands before those that are there."""
        found: list[dict[str, Any]] = []
        for item in self.api.items(FILTERS.url(namespace=self.namespace)):
            if any(target["name"] == self.name for target in item["spec"]["targetRefs"]):
                for patch in item["spec"]["configPatches"]:
                    assert patch["patch"]["operation"] == "INSERT_FIRST"
                    found.insert(0, patch["patch"]["value"])
        return found

    def _write(self, name: str, document: Object) -> None:
        """By a move, which Envoy notices."""
        text = json.dumps(document)
        if self.written.get(name) == text:
            return
        new = self.folder / f"{name}.new"
        new.write_text(text, encoding="utf-8")
        new.chmod(0o644)
        new.rename(self.folder / name)
        self.written[name] = text


@contextlib.contextmanager
def serving(gateway: Gateway) -> Iterator[Gateway]:
    """The Gateway, as long as the context lasts; it answers soon after."""
    assert gateway.api.get(GATEWAYS.url(gateway.name, namespace=gateway.namespace))
    gateway.start()
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_S):
            gateway.follow()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield gateway
    finally:
        over.set()
        thread.join(30)


def _routes(routes: Iterable[Object]) -> Iterator[dict[str, Any]]:
    """Envoy's routes, each named as its pool. All of a path are by header; the first that fits is taken."""
    for route in routes:
        for rule in route["spec"]["rules"]:
            pool = rule["backendRefs"][0]["name"]
            for match in rule["matches"]:
                headers = [
                    {"name": row["name"], "string_match": {"exact": row["value"]}} for row in match.get("headers", ())
                ]
                overrides = {
                    "grpc_service": {"envoy_grpc": {"cluster_name": f"picker-{pool}"}},
                    "processing_mode": _ALL,
                }
                asks = {"@type": f"{_EXT_PROC}.ExtProcPerRoute", "overrides": overrides}
                yield {
                    "name": pool,
                    "match": {"prefix": match["path"]["value"], "headers": headers},
                    "route": {"cluster": "picked", "timeout": "0s"},
                    "typed_per_filter_config": {"envoy.filters.http.ext_proc": asks},
                }


def _bootstrap(filters: list[dict[str, Any]]) -> dict[str, Any]:
    asks = {
        "@type": f"{_EXT_PROC}.ExternalProcessor",
        "grpc_service": {"envoy_grpc": {"cluster_name": "picked"}},  # every route names its own
        "processing_mode": _NOTHING,
        "message_timeout": "3600s",  # the endpoint picker holds a request until somebody can serve it
    }
    router = {"@type": f"{_TYPE}extensions.filters.http.router.v3.Router"}
    manager = {
        "@type": f"{_TYPE}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "clients",
        "rds": {"route_config_name": "models", "config_source": _file("routes.json")},
        "http_filters": [
            *filters,
            {"name": "envoy.filters.http.ext_proc", "typed_config": asks},
            {"name": "envoy.filters.http.router", "typed_config": router},
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    address = {"socket_address": {"address": "0.0.0.0", "port_value": PORT}}
    return {
        "node": {"id": "gateway", "cluster": "gateway"},
        "dynamic_resources": {"cds_config": _file("clusters.json")},
        "static_resources": {"listeners": [{"name": "clients", "address": address, "filter_chains": [chain]}]},
    }


def _file(name: str) -> dict[str, Any]:
    return {"resource_api_version": "V3", "path_config_source": {"path": f"{MOUNT}/{name}"}}


def _resources(kind: str, rows: Iterable[Object]) -> dict[str, Any]:
    return {"resources": [{"@type": kind, **row} for row in rows]}


def _picked() -> dict[str, Any]:
    """Whatever address the endpoint picker answers with."""
    return {
        "name": "picked",
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": "10s",
        "original_dst_lb_config": {"use_http_header": True, "http_header_name": "x-gateway-destination-endpoint"},
    }


def _picker(namespace: str, pool: Object) -> dict[str, Any]:
    picker = pool["spec"]["endpointPickerRef"]
    host = f"{picker['name']}.{namespace}.svc.cluster.local"
    return _grpc(f"picker-{pool['metadata']['name']}", host, picker["port"]["number"])


def _asks(row: Object) -> bool:
    return "grpc_service" in row["typed_config"]


def _outbound(row: Object) -> dict[str, Any]:
    """The server of an ext_proc filter, by Istio's name for it: `outbound|PORT||HOST`."""
    name = row["typed_config"]["grpc_service"]["envoy_grpc"]["cluster_name"]
    _, port, _, host = name.split("|")
    return _grpc(name, host, int(port))


def _grpc(name: str, host: str, port: int) -> dict[str, Any]:
    """TLS with a certificate that nobody verifies, as the DestinationRules of the charts say."""
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    tls = {
        "@type": f"{_TYPE}extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {"alpn_protocols": ["h2"]},
    }
    address = {"socket_address": {"address": f"{host}.", "port_value": port}}  # the whole name: no search list is tried
    return {
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": "2s",
        "dns_refresh_rate": "1s",
        "dns_lookup_family": "V4_ONLY",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "typed_extension_protocol_options": {
            options: {
                "@type": f"type.googleapis.com/{options}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
    }


def _pod(gateway: Gateway) -> dict[str, Any]:
    container = {
        "name": "envoy",
        "image": gateway.image,
        "args": ["-c", f"{MOUNT}/bootstrap.json", "--disable-hot-restart", "--concurrency", "1"],
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "volumeMounts": [{"name": "configuration", "mountPath": MOUNT}],
    }
    return {
        "metadata": {"name": gateway.name, "labels": {LABEL: gateway.name}},
        "spec": {
            "containers": [container],
            "volumes": [{"name": "configuration", "hostPath": {"path": str(gateway.folder)}}],
            "terminationGracePeriodSeconds": 0,
        },
    }


def _service(gateway: Gateway) -> dict[str, Any]:
    return {
        "metadata": {"name": gateway.name, "labels": {LABEL: gateway.name}},
        "spec": {"selector": {LABEL: gateway.name}, "ports": [{"name": "http", "port": 80, "targetPort": PORT}]},
    }
