"""What the API server is told of a real node: its rights, its shape, its DNS; and when all of it works."""

from __future__ import annotations

from typing import Any

from llmdctl.sandbox import furnish
from llmdctl.sandbox.api import Api, NotFound, Resource
from llmdctl.sandbox.node import dns, layout
from llmdctl.sandbox.node.machine import RealNode

_RIGHTS = "rbac.authorization.k8s.io/v1"
_DEPLOYMENTS = Resource(path="apis/apps/v1", plural="deployments")
_KINDS = {
    "ServiceAccount": Resource(path="api/v1", plural="serviceaccounts"),
    "ConfigMap": Resource(path="api/v1", plural="configmaps"),
    "Service": Resource(path="api/v1", plural="services"),
    "ClusterRole": Resource(path=f"apis/{_RIGHTS}", plural="clusterroles"),
    "ClusterRoleBinding": Resource(path=f"apis/{_RIGHTS}", plural="clusterrolebindings"),
    "Deployment": _DEPLOYMENTS,
}


def prepare(api: Api, node: RealNode, *, api_server: str, dns_image: str) -> None:
    """Let the API server (user `api_server`) use kubelet, and ask for DNS."""
    binding: dict[str, Any] = {
        "apiVersion": _RIGHTS,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "llmdctl:kube-apiserver-to-kubelet"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:kubelet-api-admin",
        },
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": api_server}],
    }
    for item in (binding, *dns.objects(image=dns_image, node=node.name)):
        api.create(_KINDS[item["kind"]].url(namespace=item["metadata"].get("namespace")), item)


def registered(api: Api, node: RealNode) -> bool:
    """Whether kubelet has made its Node."""
    try:
        api.get(furnish.NODES.url(node.name))
    except NotFound:
        return False
    return True


def shape(api: Api, node: RealNode) -> None:
    """Give the Node what device plugins and an administrator would: devices, labels, its range of pod addresses.

    The facet's taint is left out: it keeps other pods off machines with accelerators, and here the endpoint picker and
    the proxy have no other machine to run on.
    """
    url = furnish.NODES.url(node.name)
    api.merge(
        url,
        {"metadata": {"labels": node.labels()}, "spec": {"podCIDR": layout.POD_RANGE, "podCIDRs": [layout.POD_RANGE]}},
    )
    offered = node.resources()
    api.merge(
        furnish.NODES.url(node.name, subresource="status"), {"status": {"capacity": offered, "allocatable": offered}}
    )


def ready(api: Api, node: RealNode) -> bool:
    """Whether the node is Ready and pods that ask for its devices would be placed."""
    found = api.get(furnish.NODES.url(node.name))
    allocatable = found["status"].get("allocatable", {})
    return furnish.is_ready(found) and not found["spec"].get("taints") and set(node.resources()) <= set(allocatable)


def resolving(api: Api) -> bool:
    """Whether the cluster's DNS answers."""
    found = api.get(_DEPLOYMENTS.url("coredns", namespace="kube-system"))
    return int(found.get("status", {}).get("readyReplicas", 0)) > 0
