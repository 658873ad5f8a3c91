"""Quotas of tenants, kept by the real Envoy: whoever is over its quota gets 429, and nobody else notices.

Judged are the two filters that the charts render: the one of standalone mode in its whole configuration, and the one
that an EnvoyFilter hands to Istio, in the smallest proxy around it. Behind both is a server that answers everything.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmdctl import assets
from llmdctl.helm import open_renderer
from llmdctl.model.release import ReleaseSpec
from llmdctl.sandbox.furnish import until
from tests.ports import free_port

ENVOY = Path(sys.executable).parent / "envoy"
HEADER = "x-llm-d-inference-fairness-id"
TENANTS = {
    "limits": {"acme": {"requests": 2, "per": "hour"}, "bolt": {"requests": 100, "per": "hour"}},
    "others": {"requests": 3, "per": "hour"},
}
LLMD = {"model": {"id": "Qwen/Qwen3-32B"}, "roles": {"aggregate": {}}}
STANDALONE = {"global": {"llmd": LLMD}, "scheduler": {"proxy": {"tenants": TENANTS}}}
ISTIO = {
    "global": {"llmd": LLMD | {"mode": "gateway"}},
    "gateway": {"enabled": True, "provider": "istio", "tenants": TENANTS, "modelRouting": {"enabled": True}},
}
MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


def rendered(values: Mapping[str, Any], kind: str, name: str) -> Any:
    spec = ReleaseSpec(
        name="q", namespace="n", chart=assets.charts() / "llmd", values=values, recipe="", facets={}, evidence="derived"
    )
    objects = list(open_renderer().render(spec, kube_version="1.34.0").objects)
    [found] = [item for item in objects if item["kind"] == kind and item["metadata"]["name"] == name]
    return found


class Always(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Always) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def listen(listener: dict[str, Any], port: int) -> None:
    listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}


def cluster(name: str, port: int) -> dict[str, Any]:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
    }


def standalone(upstream_port: int, port: int) -> dict[str, Any]:
    """What the chart renders, on this machine's addresses. No endpoint picker answers: requests go to the fallback."""
    config: dict[str, Any] = yaml.safe_load(rendered(STANDALONE, "ConfigMap", "q-proxy")["data"]["envoy.yaml"])
    clients, health = config["static_resources"]["listeners"]
    listen(clients, port)
    listen(health, free_port())
    config["admin"]["address"]["socket_address"]["port_value"] = free_port()
    clusters = config["static_resources"]["clusters"]
    clusters[:] = [cluster("fallback", upstream_port) if item["name"] == "fallback" else item for item in clusters]
    return config


def around(filters: list[Any], upstream_port: int, port: int, *more: dict[str, Any]) -> dict[str, Any]:
    """The smallest proxy with these filters."""
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}]
    manager = {
        "@type": MANAGER,
        "stat_prefix": "clients",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [*filters, {"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    listener: dict[str, Any] = {"name": "clients", "address": {}, "filter_chains": [chain]}
    listen(listener, port)
    return {"static_resources": {"listeners": [listener], "clusters": [cluster("upstream", upstream_port), *more]}}


def istio(upstream_port: int, port: int) -> dict[str, Any]:
    patches = rendered(ISTIO, "EnvoyFilter", "q-gateway")["spec"]["configPatches"]
    return around([patches[-1]["patch"]["value"]], upstream_port, port)


def answers(port: int) -> bool:
    try:
        return ask(port, "/warm-up", {}) in (200, 429)
    except OSError:
        return False


def ask(port: int, path: str, headers: Mapping[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()


@contextmanager
def running(config: Mapping[str, Any], port: int, folder: Path) -> Iterator[None]:
    file = folder / "envoy.yaml"
    file.write_text(yaml.safe_dump(dict(config)))
    with (folder / "log").open("wb") as log:
        command = [str(ENVOY), "-c", str(file), "--disable-hot-restart", "--concurrency", "2"]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            until(lambda: answers(port), "Envoy's answer")
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.mark.parametrize("make", [standalone, istio])
def test_a_tenant_over_its_quota_gets_429_and_others_notice_nothing(make: Any, upstream: int, tmp_path: Path) -> None:
    port = free_port()
    with running(make(upstream, port), port, tmp_path):  # the first answer came out of the bucket of all others
        acme, bolt = {HEADER: "acme"}, {HEADER: "bolt"}
        assert [ask(port, "/v1/models", acme) for _ in range(4)] == [200, 200, 429, 429]
        assert [ask(port, "/v1/models", bolt) for _ in range(20)] == [200] * 20
        assert [ask(port, "/v1/models", {HEADER: "cord"}), ask(port, "/v1/models", {})] == [200, 200]
        assert [ask(port, "/v1/models", {HEADER: "dash"}), ask(port, "/v1/models", {})] == [429, 429]
        assert [ask(port, "/v1/models", acme), ask(port, "/v1/models", bolt)] == [429, 200]


def test_no_quota_means_no_limit(upstream: int, tmp_path: Path) -> None:
    values = {"global": {"llmd": LLMD}, "scheduler": {"proxy": {"tenants": {"limits": {"acme": {"requests": 1}}}}}}
    config = yaml.safe_load(rendered(values, "ConfigMap", "q-proxy")["data"]["envoy.yaml"])
    clients = config["static_resources"]["listeners"][0]
    manager = clients["filter_chains"][0]["filters"][0]["typed_config"]
    port = free_port()
    with running(around([manager["http_filters"][0]], upstream, port), port, tmp_path):
        assert [ask(port, "/", {}) for _ in range(200)] == [200] * 200


def test_envoy_takes_the_filters_that_istio_is_given(tmp_path: Path) -> None:
    """Both of them, as Envoy reads them: the body-based router's before, the quotas' after."""
    patches = rendered(ISTIO, "EnvoyFilter", "q-gateway")["spec"]["configPatches"]
    filters = [patch["patch"]["value"] for patch in patches]
    asked = filters[0]["typed_config"]["grpc_service"]["envoy_grpc"]["cluster_name"]
    assert asked == "outbound|9004||q-body-router.n.svc.cluster.local"
    file = tmp_path / "envoy.yaml"
    file.write_text(yaml.safe_dump(around(filters, 1, free_port(), cluster(asked, 1))))
    command = [str(ENVOY), "--mode", "validate", "-c", str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr[-4000:]
