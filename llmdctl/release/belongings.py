"""What belongs to a release in the cluster, also when it is half installed or half removed."""

from __future__ import annotations

from collections.abc import Mapping

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

Stored = Mapping[tuple[int, float], tuple[ObjectKey, ...]]
"""What each stored revision names, by its number and when it was last written: a manifest is never changed."""


def stored(name: str, namespace: str, *, helm: Helm, cluster: Cluster, known: Stored | None = None) -> Stored:
    """What every revision of a release names; those in `known` are not asked for again, each costs a run of helm."""
    had = known or {}
    found: dict[tuple[int, float], tuple[ObjectKey, ...]] = {}
    for revision in revisions(cluster, name, namespace):
        written = revision.revision, revision.changed_s
        if written in had:
            found[written] = had[written]
        else:
            objects = helm.manifest(name, namespace, revision.revision).objects
            found[written] = tuple(key_of(obj) for obj in placed(objects, namespace, cluster.served()))
    return found


def belongings(name: str, namespace: str, *, among: Stored, cluster: Cluster) -> tuple[KubernetesObject, ...]:
    """Live objects with Helm's mark of this release, among those that its revisions (`among`) name.

    Without a stored revision (a removal that was cut off) every kind is searched for the instance label.
    """
    named = dict.fromkeys(key for keys in among.values() for key in keys)
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
