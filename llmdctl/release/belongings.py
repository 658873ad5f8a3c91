"""What belongs to a release in the cluster, also when it is half installed or half removed."""

from __future__ import annotations

from llmdctl.errors import ClusterError
from llmdctl.helm import Helm
from llmdctl.kube import Cluster, KubernetesObject, Resource, key_of
from llmdctl.model.release import ObjectKey
from llmdctl.release.changes import placed
from llmdctl.release.ownership import is_of_release
from llmdctl.release.reading import at_once, find_all
from llmdctl.release.record import revisions
from llmdctl.release.snapshot import INSTANCE_LABEL

_POLICY = "helm.sh/resource-policy"


def belongings(name: str, namespace: str, *, helm: Helm, cluster: Cluster) -> tuple[KubernetesObject, ...]:
    """Live objects with Helm's mark of this release, among those that any stored revision names.

    Without a stored revision (a removal that was cut off) every kind is searched for the instance label.
    """
    named: dict[ObjectKey, None] = {}
    for revision in revisions(cluster, name, namespace):
        stored = helm.manifest(name, namespace, revision.revision).objects
        named |= {key_of(obj): None for obj in placed(stored, namespace, cluster.served())}
    live = find_all(cluster, named or _labelled(cluster, name, namespace))
    return tuple(obj for obj in live.values() if is_of_release(obj, name, namespace))


def must_stay(obj: KubernetesObject) -> bool:
    """Whether its annotation tells Helm to keep it."""
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    return bool(annotations.get(_POLICY) == "keep")


def _labelled(cluster: Cluster, name: str, namespace: str) -> list[ObjectKey]:
    listed = [resource for resource in cluster.served().resources if {"list", "delete"} <= resource.verbs]
    kinds = {(resource.group, resource.plural): resource for resource in listed if resource.kind != "Pod"}

    def keys(resource: Resource) -> list[ObjectKey]:
        try:
            found = cluster.list_objects(
                resource.api_version,
                resource.kind,
                namespace=namespace if resource.namespaced else None,
                labels={INSTANCE_LABEL: name},
                metadata_only=True,
            )
        except ClusterError:
            return []  # an API whose server is away, or that may not be listed
        return [key_of(obj) for obj in found]

    return [key for found in at_once(keys, kinds.values()) for key in found]
