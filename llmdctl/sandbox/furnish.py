"""What a new plane is furnished with: CRDs, kwok's Stages, LWS, gateway classes and simulated nodes."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from llmdctl import programs
from llmdctl.errors import WaitError
from llmdctl.sandbox import definitions, lws
from llmdctl.sandbox.api import Api, Object, Resource
from llmdctl.sandbox.nodes import ACCELERATOR, SimulatedNodes

CRDS = Resource(path="apis/apiextensions.k8s.io/v1", plural="customresourcedefinitions")
NODES = Resource(path="api/v1", plural="nodes")
STAGES = Resource(path="apis/kwok.x-k8s.io/v1alpha1", plural="stages")
CLUSTER_LOGS = Resource(path="apis/kwok.x-k8s.io/v1alpha1", plural="clusterlogs")
STORAGE_CLASSES = Resource(path="apis/storage.k8s.io/v1", plural="storageclasses")
GATEWAY_CLASSES = Resource(path="apis/gateway.networking.k8s.io/v1", plural="gatewayclasses")

_LIMIT_S = 180.0  # on a machine that does much else; a quiet one needs a tenth
_PAUSE_S = 0.1
_NOT_READY = "node.kubernetes.io/not-ready"
_DISCOVERY = "application/json;v=v2;g=apidiscovery.k8s.io;as=APIGroupDiscoveryList"

_KINDS = {
    "APIService": Resource(path="apis/apiregistration.k8s.io/v1", plural="apiservices"),
    "Deployment": Resource(path="apis/apps/v1", plural="deployments"),
    "Endpoints": Resource(path="api/v1", plural="endpoints"),
    "Namespace": Resource(path="api/v1", plural="namespaces"),
    "Role": Resource(path="apis/rbac.authorization.k8s.io/v1", plural="roles"),
    "RoleBinding": Resource(path="apis/rbac.authorization.k8s.io/v1", plural="rolebindings"),
    "Service": Resource(path="api/v1", plural="services"),
    "ServiceAccount": Resource(path="api/v1", plural="serviceaccounts"),
    "ClusterRole": Resource(path="apis/rbac.authorization.k8s.io/v1", plural="clusterroles"),
    "ClusterRoleBinding": Resource(path="apis/rbac.authorization.k8s.io/v1", plural="clusterrolebindings"),
    "MutatingWebhookConfiguration": Resource(
        path="apis/admissionregistration.k8s.io/v1", plural="mutatingwebhookconfigurations"
    ),
    "ValidatingWebhookConfiguration": Resource(
        path="apis/admissionregistration.k8s.io/v1", plural="validatingwebhookconfigurations"
    ),
}

# The class names of the gateways that the facets know, with the controller that each project's documentation names.
_CLASSES = {
    "istio": "istio.io/gateway-controller",
    "agentgateway": "agentgateway.dev/agentgateway",
    "gke-l7-regional-external-managed": "networking.gke.io/gateway",
    "gke-l7-rilb": "networking.gke.io/gateway",
    "openshift-default": "openshift.io/gateway-controller/v1",
}
# Envoy Gateway brings no class; a release makes one with this controller.
_ENVOY = "gateway.envoyproxy.io/gatewayclass-controller"
GATEWAY_CONTROLLERS = frozenset({*_CLASSES.values(), _ENVOY})

Condition = Callable[[], bool]

SIMULATED_LOG = "This pod is simulated by llmdctl's sandbox: no container runs and no model is served."


def until(condition: Condition, what: str, *, limit_s: float = _LIMIT_S) -> None:
    """Return as soon as `condition` holds. Raises WaitError, naming `what`, after `limit_s`."""
    deadline_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise WaitError(f"{what} did not happen within {limit_s:.0f} s")
        time.sleep(_PAUSE_S)


def load_definitions(api: Api, crds: Sequence[Object]) -> None:
    """Create CRDs and wait until the API serves each. The largest go first, so that no connection idles at the end."""
    ordered = sorted(crds, key=lambda crd: -len(str(crd)))
    api.create_all((CRDS.url(), crd) for crd in ordered)
    until_served(api, crds)


def until_served(api: Api, crds: Sequence[Object]) -> None:
    """Wait until the API serves each of these CRDs."""
    wanted = {(crd["spec"]["group"], crd["spec"]["names"]["plural"]) for crd in crds}
    until(lambda: wanted <= served(api), "serving the CRDs")


def served(api: Api) -> set[tuple[str, str]]:
    """Every (group, plural) that the API serves now."""
    answer = api.request("GET", "/apis", accept=_DISCOVERY)
    return {
        (group["metadata"]["name"], resource["resource"])
        for group in answer["items"]
        for version in group["versions"]
        for resource in version.get("resources", [])  # KEDA serves none while nothing is scaled
    }


def definition_count(api: Api) -> int:
    """How many CRDs the cluster has, without reading their 8 MB of schemas."""
    head = api.get(f"{CRDS.url()}?limit=1")
    return 1 + int(head["metadata"].get("remainingItemCount", 0)) if head["items"] else 0


def load_stages(api: Api, log_text: Path, without: Container[str] = ()) -> None:
    """Give kwok its Stages but those named, and every simulated pod a log that says what it is."""
    api.create_all((STAGES.url(), stage) for stage in definitions.stages(without))
    write_log(log_text, [SIMULATED_LOG])
    api.create(
        CLUSTER_LOGS.url(),
        {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "ClusterLogs",
            "metadata": {"name": "simulated"},
            "spec": {"logs": [{"logsFile": str(log_text)}]},
        },
    )


def write_log(path: Path, lines: Iterable[str]) -> None:
    """A container log in the format of the container runtime interface, which kwok serves as a pod's log."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime())
    path.write_text("".join(f"{stamp} stdout F {line}\n" for line in lines), encoding="utf-8")


def load_lws(api: Api, *, webhook_port: int, authority: Path, report: programs.Reporter) -> None:
    """Namespace, rights and webhooks of the LeaderWorkerSet controller."""
    for item in lws.objects(webhook_port=webhook_port, authority=authority, report=report):
        create(api, item)


def create(api: Api, item: Object) -> None:
    """Create one object of a kind that something in a sandbox brings along, or leave it as it is."""
    api.create(_KINDS[item["kind"]].url(namespace=item["metadata"].get("namespace")), item)


def load_gateway_classes(api: Api) -> None:
    """A GatewayClass for each gateway that the facets know, as the gateway's own installation would make it."""
    for name, controller in _CLASSES.items():
        item: dict[str, Any] = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": name},
            "spec": {"controllerName": controller},
        }
        api.create(GATEWAY_CLASSES.url(), item)


def load_storage_class(api: Api) -> None:
    """The default storage class, whose volumes a Stage makes."""
    item: dict[str, Any] = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "llmdctl.dev/simulated",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    }
    api.create(STORAGE_CLASSES.url(), item)


def set_nodes(api: Api, groups: Sequence[SimulatedNodes], kubelet_port: int) -> None:
    """Make the simulated nodes those of `groups`: create what is missing, remove what is not wanted.

    Waits until pods may go there: the node controller takes its taint away a moment after a node is Ready.
    """
    wanted = {node["metadata"]["name"]: node for group in groups for node in group.objects(kubelet_port)}
    present = {node["metadata"]["name"] for node in simulated_nodes(api)}
    for name in present - set(wanted):
        api.delete(NODES.url(name))
    api.create_all((NODES.url(), node) for name, node in wanted.items() if name not in present)
    until(lambda: all(map(_takes_pods, simulated_nodes(api))), "the simulated nodes becoming Ready")


def _takes_pods(node: Object) -> bool:
    return is_ready(node) and all(taint["key"] != _NOT_READY for taint in node["spec"].get("taints") or ())


def simulated_nodes(api: Api) -> list[Object]:
    """The Node objects that kwok manages."""
    return api.items(f"{NODES.url()}?labelSelector=kwok.x-k8s.io%2Fnode%3Dfake")


def own_nodes(api: Api) -> list[Object]:
    """Every node that `up` made, simulated or real."""
    return api.items(f"{NODES.url()}?labelSelector={quote(ACCELERATOR)}")


def is_ready(item: Object, kind: str = "Ready") -> bool:
    """Whether the object's condition `kind` is True."""
    conditions = item.get("status", {}).get("conditions", [])
    return any(condition["type"] == kind and condition["status"] == "True" for condition in conditions)


def classes_accepted(api: Api) -> bool:
    """Whether the routing component has answered for all gateway classes."""
    return all(is_ready(item, "Accepted") for item in api.items(GATEWAY_CLASSES.url()))
