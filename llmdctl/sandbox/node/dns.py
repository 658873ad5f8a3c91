"""The cluster's DNS as objects: CoreDNS answers for services and pods, and for nothing outside."""

from __future__ import annotations

from typing import Any

from llmdctl.sandbox.node import layout

_NAMESPACE = "kube-system"
_NAME = "coredns"
_LABELS = {"k8s-app": "kube-dns"}
_COREFILE = f""".:53 {{
    errors
    health
    ready
    cache 2
    kubernetes {layout.CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
        pods insecure
    }}
}}
"""
"""`cache 2`: an endpoint that goes is forgotten after 2 s, where clusters of many nodes wait 30."""


def objects(*, image: str, node: str) -> list[dict[str, Any]]:
    """Account, rights, configuration, Deployment on `node`, and Service."""
    role, subject = "system:coredns", {"kind": "ServiceAccount", "name": _NAME, "namespace": _NAMESPACE}
    readable = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
    rights = "rbac.authorization.k8s.io/v1"
    return [
        _object("v1", "ServiceAccount", _NAME),
        _object(rights, "ClusterRole", role, rules=readable),
        _object(rights, "ClusterRoleBinding", role, roleRef=reference, subjects=[subject]),
        _object("v1", "ConfigMap", _NAME, data={"Corefile": _COREFILE}),
        _object("apps/v1", "Deployment", _NAME, spec=_deployment(image, node)),
        _object(
            "v1", "Service", "kube-dns", spec={"clusterIP": layout.DNS_ADDRESS, "selector": _LABELS, "ports": ports}
        ),
    ]


def _object(version: str, kind: str, name: str, **parts: object) -> dict[str, Any]:
    metadata = {"name": name} if kind.startswith("ClusterRole") else {"name": name, "namespace": _NAMESPACE}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **parts}


def _deployment(image: str, node: str) -> dict[str, Any]:
    container = {
        "name": _NAME,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "configuration", "mountPath": "/etc/coredns"}],
    }
    pod = {
        "serviceAccountName": _NAME,
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "nodeSelector": {"kubernetes.io/hostname": node},
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": [{"name": "configuration", "configMap": {"name": _NAME}}],
    }
    return {"selector": {"matchLabels": _LABELS}, "template": {"metadata": {"labels": _LABELS}, "spec": pod}}
