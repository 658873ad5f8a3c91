"""Small real objects for the tests, and how to read what became of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llmdctl.sandbox.api import Api, Resource
from llmdctl.sandbox.furnish import until

NAMESPACES = Resource(path="api/v1", plural="namespaces")
NODES = Resource(path="api/v1", plural="nodes")
PODS = Resource(path="api/v1", plural="pods")
SERVICES = Resource(path="api/v1", plural="services")
SECRETS = Resource(path="api/v1", plural="secrets")
CONFIG_MAPS = Resource(path="api/v1", plural="configmaps")
ACCOUNTS = Resource(path="api/v1", plural="serviceaccounts")
CLAIMS = Resource(path="api/v1", plural="persistentvolumeclaims")
VOLUMES = Resource(path="api/v1", plural="persistentvolumes")
JOBS = Resource(path="apis/batch/v1", plural="jobs")
DEPLOYMENTS = Resource(path="apis/apps/v1", plural="deployments")
REPLICA_SETS = Resource(path="apis/apps/v1", plural="replicasets")
SCALERS = Resource(path="apis/autoscaling/v2", plural="horizontalpodautoscalers")
ROLES = Resource(path="apis/rbac.authorization.k8s.io/v1", plural="roles")
BINDINGS = Resource(path="apis/rbac.authorization.k8s.io/v1", plural="rolebindings")
CLUSTER_BINDINGS = Resource(path="apis/rbac.authorization.k8s.io/v1", plural="clusterrolebindings")
WEBHOOKS = Resource(path="apis/admissionregistration.k8s.io/v1", plural="validatingwebhookconfigurations")
DEVICE_CLASSES = Resource(path="apis/resource.k8s.io/v1", plural="deviceclasses")
SLICES = Resource(path="apis/resource.k8s.io/v1", plural="resourceslices")
CLAIM_TEMPLATES = Resource(path="apis/resource.k8s.io/v1", plural="resourceclaimtemplates")
LWS = Resource(path="apis/leaderworkerset.x-k8s.io/v1", plural="leaderworkersets")
GATEWAYS = Resource(path="apis/gateway.networking.k8s.io/v1", plural="gateways")
ROUTES = Resource(path="apis/gateway.networking.k8s.io/v1", plural="httproutes")
POOLS = Resource(path="apis/inference.networking.k8s.io/v1", plural="inferencepools")
SCALED = Resource(path="apis/keda.sh/v1alpha1", plural="scaledobjects")

LIMIT_S = 30.0


def pod_template(*, gpus: int = 0, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    limits = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    return {
        "metadata": {"labels": labels or {}},
        "spec": {
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}] if gpus else [],
            "containers": [{"name": "main", "image": "example.invalid/engine:1", "resources": {"limits": limits}}],
            **spec,
        },
    }


def deployment(name: str, replicas: int, **template: Any) -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": pod_template(labels=labels, **template),
        },
    }


def pool(name: str, picker: str) -> dict[str, Any]:
    return {
        "apiVersion": "inference.networking.k8s.io/v1",
        "kind": "InferencePool",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": "x"}},
            "targetPorts": [{"number": 8000}],
            "endpointPickerRef": {"name": picker, "port": {"number": 9002}},
        },
    }


def gateway(name: str, class_name: str = "istio") -> dict[str, Any]:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name},
        "spec": {"gatewayClassName": class_name, "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    }


def route(name: str, parent: str, pool_name: str) -> dict[str, Any]:
    backend = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": pool_name}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name},
        "spec": {"parentRefs": [{"name": parent}], "rules": [{"backendRefs": [backend]}]},
    }


def condition(item: dict[str, Any], kind: str) -> str:
    """`True:Reason` of a condition, or an empty string while it is not there."""
    for found in item.get("conditions", []):
        if found["type"] == kind:
            return f"{found['status']}:{found.get('reason', '')}"
    return ""


def status(api: Api, resource: Resource, name: str, namespace: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(resource.url(name, namespace=namespace)).get("status", {})
    return found


def wait(what: str, holds: Callable[[], object], *, limit_s: float = LIMIT_S) -> None:
    """Until something that others do has happened. Raises WaitError, naming `what`."""
    until(lambda: bool(holds()), what, limit_s=limit_s)
