"""The namespace of a release: made when it is missing, removed only when it is ours and nothing is left in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llmdctl.errors import ClusterError, ForbiddenError
from llmdctl.kube import Cluster, KubernetesObject, Resource, key_of
from llmdctl.model.release import ObjectKey
from llmdctl.release.events import ObjectChanged, Reporter
from llmdctl.release.reading import at_once

_LABELS: Final = {"app.kubernetes.io/managed-by": "llmdctl"}
# What Kubernetes itself puts into every namespace, or derives from objects that are listed anyway.
_OF_KUBERNETES: Final = frozenset({("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")})
_DERIVED: Final = frozenset(
    {"Event", "Endpoints", "EndpointSlice", "Lease", "ControllerRevision", "PodMetrics", "CiliumEndpoint"}
)


def namespace_key(name: str) -> ObjectKey:
    """The key of a namespace."""
    return ObjectKey(api_version="v1", kind="Namespace", namespace=None, name=name)


def ensure_namespace(cluster: Cluster, name: str, *, may_create: bool, report: Reporter) -> bool:
    """Make the namespace when it is not there, with a label by which `uninstall` knows it as ours; True: it is new.

    Raises ClusterError when it is missing and must not be made, or is being deleted.
    """
    try:
        live = cluster.get(namespace_key(name))
    except ForbiddenError:
        return False  # one who may not read it can still be at home in it; Helm will say if it is not there
    if live is not None:
        if (live.get("metadata") or {}).get("deletionTimestamp"):
            raise ClusterError(f"namespace {name} is being deleted", remedy="Wait until it is gone, or name another.")
        return False
    if not may_create:
        raise ClusterError(
            f"namespace {name} does not exist, and --namespace-only makes none",
            remedy=f"Administrator's command: kubectl create namespace {name}",
        )
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(_LABELS)}}
    if not cluster.create(body):
        return False  # somebody was faster
    report(ObjectChanged(key=namespace_key(name), action="create"))
    return True


def is_ours(namespace: KubernetesObject | None) -> bool:
    """Whether llmdctl made the namespace."""
    labels = ((namespace or {}).get("metadata") or {}).get("labels") or {}
    return all(labels.get(key) == value for key, value in _LABELS.items())


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What is in a namespace, as far as one may look."""

    keys: tuple[ObjectKey, ...]
    unseen: tuple[str, ...]  # kinds that could not be listed


def contents(cluster: Cluster, name: str) -> Contents:
    """Everything in a namespace that a person or a tool put there; metadata alone is read."""
    listed = [resource for resource in cluster.served(fresh=True).resources if _is_listed(resource)]
    kinds = {(resource.group, resource.plural): resource for resource in listed}  # once, in whatever version
    found = at_once(lambda resource: _keys(cluster, resource, name), kinds.values())
    keys = [key for keys in found if keys is not None for key in keys]
    unseen = [resource.kind for resource, keys in zip(kinds.values(), found, strict=True) if keys is None]
    return Contents(keys=tuple(key for key in keys if (key.kind, key.name) not in _OF_KUBERNETES), unseen=tuple(unseen))


def _is_listed(resource: Resource) -> bool:
    return resource.namespaced and "list" in resource.verbs and resource.kind not in _DERIVED


def _keys(cluster: Cluster, resource: Resource, namespace: str) -> tuple[ObjectKey, ...] | None:
    """None: an API whose server is away, or that may not be listed."""
    try:
        found = cluster.list_objects(resource.api_version, resource.kind, namespace=namespace, metadata_only=True)
    except ClusterError:
        return None
    return tuple(key_of(obj) for obj in found)
