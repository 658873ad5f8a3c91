"""The namespace of a release: made when it is missing, removed only when it is ours and nothing is left in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmdctl.errors import ClusterError, ForbiddenError
from llmdctl.kube import Cluster, KubernetesObject, key_of
from llmdctl.model.release import ObjectKey
from llmdctl.release.events import ObjectChanged, Reporter

_LABELS: Final = {"app.kubernetes.io/managed-by": "llmdctl"}
# What Kubernetes itself puts into every namespace, or derives from objects that are listed anyway.
_OF_KUBERNETES: Final = frozenset({("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")})
_DERIVED: Final = frozenset(
    {"Event", "Endpoints", "EndpointSlice", "Lease", "ControllerRevision", "PodMetrics", "CiliumEndpoint"}
)


def namespace_key(name: str) -> ObjectKey:
    """The key of a namespace."""
    return ObjectKey(api_version="v1", kind="Namespace", namespace=None, name=name)


def ensure_namespace(cluster: Cluster, name: str, *, may_create: bool, report: Reporter) -> None:
    """Make the namespace when it is not there, with a label by which `uninstall` knows it as ours.

    Raises ClusterError when it is missing and must not be made, or is being deleted.
    """
    try:
        live = cluster.get(namespace_key(name))
    except ForbiddenError:
        return  # one who may not read it can still be at home in it; Helm will say if it is not there
    if live is not None:
        if (live.get("metadata") or {}).get("deletionTimestamp"):
            raise ClusterError(f"namespace {name} is being deleted", remedy="Wait until it is gone, or name another.")
        return
    if not may_create:
        raise ClusterError(
            f"namespace {name} does not exist, and --namespace-only makes none",
            remedy=f"Administrator's command: kubectl create namespace {name}",
        )
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(_LABELS)}}
    if cluster.create(body):
        report(ObjectChanged(key=namespace_key(name), action="create"))


def is_ours(namespace: KubernetesObject | None) -> bool:
    """Whether llmdctl made the namespace."""
    labels = ((namespace or {}).get("metadata") or {}).get("labels") or {}
    return all(labels.get(key) == value for key, value in _LABELS.items())


def contents(cluster: Cluster, name: str) -> Iterator[ObjectKey]:
    """Everything in a namespace that a person or a tool put there, kind by kind; metadata alone is read."""
    seen: set[tuple[str, str]] = set()  # one kind in two API versions is the same objects
    for resource in cluster.served().resources:
        group_and_plural = (resource.group, resource.plural)
        if not resource.namespaced or "list" not in resource.verbs or group_and_plural in seen:
            continue
        seen.add(group_and_plural)
        if resource.kind in _DERIVED:
            continue
        try:
            found = cluster.list_objects(resource.api_version, resource.kind, namespace=name, metadata_only=True)
        except ClusterError:
            continue  # an API whose server is away, or that may not be listed
        keys = (key_of(obj) for obj in found)
        yield from (key for key in keys if (key.kind, key.name) not in _OF_KUBERNETES)
