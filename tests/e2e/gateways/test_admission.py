"""Every object of every gateway, autoscaler and way to scrape is accepted by the real API server.

The recipes' cells have one model each, no quotas and no account at a cloud; here stand the other halves. What Envoy
Gateway, Istio, KEDA and the Gateway API define comes from their own modules, the rest was written from documentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from llmdctl import assets
from llmdctl.errors import LlmdctlError
from llmdctl.helm import open_renderer
from llmdctl.kube import connect
from llmdctl.model.release import ReleaseSpec

pytestmark = pytest.mark.e2e

GATEWAY = "gateway"
MODEL = {"global": {"llmd": {"mode": "gateway", "model": {"id": "Qwen/Qwen3-32B"}, "roles": {"aggregate": {}}}}}
ROUTING = {"modelRouting": {"enabled": True, "names": {f"adapter-{number}": True for number in range(100)}}}
TENANTS = {
    "tenants": {
        "limits": {"acme": {"requests": 2_000_000, "per": "hour"}, "bolt": {"requests": 5}},
        "others": {"requests": 60},
    }
}
ATTACHED = {"create": False, "name": "front", "sectionName": "default"}
FRONT = {"route": {"enabled": False}, **ROUTING}
GKE = {"gke": {"proxyOnlySubnets": ["10.129.0.0/23"], "securityPolicy": "limits"}}
CASES: dict[str, dict[str, Any]] = {
    "istio": {"provider": "istio", **ROUTING, **TENANTS},
    "istio-front": {"provider": "istio", **FRONT, **TENANTS},
    "istio-attached": {"provider": "istio", **ATTACHED, **ROUTING},
    "openshift": {"provider": "openshift-service-mesh", **ROUTING, **TENANTS},
    "agentgateway": {"provider": "agentgateway", **ROUTING, **TENANTS},
    "agentgateway-front": {"provider": "agentgateway", **FRONT},
    "agentgateway-attached": {"provider": "agentgateway", **ATTACHED, **ROUTING, **TENANTS},
    "gke": {"provider": "gke", **ROUTING, **GKE},
    "gke-front": {"provider": "gke-internal", **FRONT},
    "envoy": {"provider": "envoy-ai-gateway", **TENANTS},
    "envoy-models": {"provider": "envoy-ai-gateway", **ROUTING, **TENANTS},
    "envoy-front": {"provider": "envoy-ai-gateway", **FRONT},
    "https": {
        "provider": "istio",
        "listener": {"protocol": "HTTPS", "port": 443, "hostname": "*.example.com", "tlsSecret": "cert"},
        "route": {"hostnames": ["llm.example.com"], "headers": {"X-Site": "a"}, "requestTimeoutSeconds": 7200},
    },
}


AUTOSCALED = {
    "global": {
        "llmd": {
            "model": {"id": "Qwen/Qwen3-32B"},
            "eppVersion": "0.10",
            "flowControl": True,
            "roles": {"aggregate": {"autoscaled": True}},
        }
    }
}
SIGNALS = {
    "queue": {"signal": "queue", "threshold": 1, "activationThreshold": 0.5},
    "kv-cache": {"signal": "kv-cache", "threshold": 0.8},
    "prefill-tokens": {"signal": "prefill-tokens", "threshold": 1.5},
}
PROMETHEUS = {"serverAddress": "https://prometheus.example"}
AUTOSCALERS: dict[str, dict[str, Any]] = {
    "pending-aware": {"roleDefaults": {"triggers": SIGNALS, "pendingAware": True, "minReplicas": 0}},
    "aws": {"prometheus": PROMETHEUS | {"podIdentity": "aws", "awsRegion": "eu-west-1"}},
    "azure": {"prometheus": PROMETHEUS | {"podIdentity": "azure-workload"}},
    "gcp": {"prometheus": PROMETHEUS | {"podIdentity": "gcp"}},
    "planner": {
        "planner": {"address": "planner.example:9443"},
        "roleDefaults": {"triggers": {"planned": {"signal": "planned", "threshold": 1}}},
    },
}


def rendered(chart: str, values: Mapping[str, Any], namespace: str) -> Iterator[Mapping[str, Any]]:
    spec = ReleaseSpec(
        name="q", namespace=namespace, chart=assets.charts() / chart, values=values, recipe="", facets={}, evidence=""
    )
    yield from open_renderer().render(spec, kube_version="1.34.0").objects


def refusals(plane: Any, objects: Iterator[Mapping[str, Any]]) -> list[str]:
    cluster = connect(kubeconfig=plane.kubeconfig, context=plane.context)
    found = []
    for item in objects:
        try:
            cluster.apply(item, dry_run=True)
        except LlmdctlError as wrong:
            found.append(f"{item['kind']} {item['metadata']['name']}: {wrong}")
    return found


@pytest.mark.parametrize("case", CASES)
def test_a_gateway_is_admitted(plane: Any, case: str) -> None:
    namespace = plane.namespace("gateways")
    assert refusals(plane, rendered(GATEWAY, MODEL | CASES[case], namespace)) == []


@pytest.mark.parametrize("case", AUTOSCALERS)
def test_an_autoscaler_is_admitted(plane: Any, case: str) -> None:
    values = AUTOSCALED | {"prometheus": PROMETHEUS, "roleDefaults": {"triggers": SIGNALS}} | AUTOSCALERS[case]
    assert refusals(plane, rendered("autoscaling", values, plane.namespace("autoscalers"))) == []


@pytest.mark.parametrize("flavor", ["operator", "azure", "gmp", "none"])
def test_a_monitor_is_admitted(plane: Any, flavor: str) -> None:
    values = AUTOSCALED | {"flavor": flavor, "scheduler": {"token": "none"}}
    assert refusals(plane, rendered("monitoring", values, plane.namespace("monitors"))) == []
