"""What belongs to a release in the cluster, also when it is half installed or half removed."""

from __future__ import annotations

from collections.abc import Iterator

from llmdctl.errors import ClusterError, ForbiddenError
from llmdctl.helm import Helm
from llmdctl.kube import Cluster, KubernetesObject, key_of
from llmdctl.model.release import ObjectKey
from llmdctl.release.changes import placed
from llmdctl.release.ownership import is_of_release
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
    keys = list(named) or list(_labelled(cluster, name, namespace))
    live = (find(cluster, key) for key in keys)
    return tuple(obj for obj in live if obj is not None and is_of_release(obj, name, namespace))


def find(cluster: Cluster, key: ObjectKey) -> KubernetesObject | None:
    """A live object; None also when its kind is not served (any more) or may not be read."""
    if cluster.served().find(key.api_version, key.kind) is None:
        return None
    try:
        return cluster.get(key)
    except ForbiddenError:
        return None


def must_stay(obj: KubernetesObject) -> bool:
    """Whether its annotation tells Helm to keep it."""
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    return bool(annotations.get(_POLICY) == "keep")


def _labelled(cluster: Cluster, name: str, namespace: str) -> Iterator[ObjectKey]:
    seen: set[tuple[str, str]] = set()  # one kind in two API versions is the same objects
    for resource in cluster.served().resources:
        group_and_plural = (resource.group, resource.plural)
        if group_and_plural in seen or not {"list", "delete"} <= resource.verbs or resource.kind == "Pod":
            continue
        seen.add(group_and_plural)
        try:
            found = cluster.list_objects(
                resource.api_version,
                resource.kind,
                namespace=namespace if resource.namespaced else None,
                labels={INSTANCE_LABEL: name},
                metadata_only=True,
            )
        except ClusterError:
            continue  # an API whose server is away, or that may not be listed
        yield from (key_of(obj) for obj in found)
