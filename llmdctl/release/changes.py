"""How two sets of objects differ. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from llmdctl.helm.writing import is_cluster_scoped, to_yaml
from llmdctl.kube import KubernetesObject, Served, key_of
from llmdctl.model.release import ObjectChange, ObjectKey
from llmdctl.release.redaction import redact_object

_CONTEXT_LINES: Final = 3
_SERVER_FIELDS: Final = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink")


def placed(
    objects: Sequence[KubernetesObject], namespace: str, served: Served | None = None
) -> tuple[KubernetesObject, ...]:
    """The objects with the namespace that Helm gives those which name none."""
    return tuple(_placed(obj, namespace, served) for obj in objects)


def _placed(obj: KubernetesObject, namespace: str, served: Served | None) -> KubernetesObject:
    metadata = obj.get("metadata") or {}
    if metadata.get("namespace"):
        return obj
    resource = served.find(str(obj.get("apiVersion")), str(obj.get("kind"))) if served else None
    namespaced = resource.namespaced if resource else not is_cluster_scoped(obj)
    return {**obj, "metadata": {**metadata, "namespace": namespace}} if namespaced else obj


def compare(before: Sequence[KubernetesObject], after: Sequence[KubernetesObject]) -> tuple[ObjectChange, ...]:
    """What was made, changed and removed between two sets of placed objects, in the order of `after`."""
    return tuple(_compare(before, after))


def _compare(before: Sequence[KubernetesObject], after: Sequence[KubernetesObject]) -> Iterator[ObjectChange]:
    old = {_identity(obj): obj for obj in before}
    new = {_identity(obj): obj for obj in after}
    for identity, obj in new.items():
        if identity not in old:
            yield ObjectChange(key=key_of(obj), action="create", lines=_lines(None, obj))
        elif old[identity] != obj:
            yield ObjectChange(key=key_of(obj), action="change", lines=_lines(old[identity], obj))
    for identity, obj in old.items():
        if identity not in new:
            yield ObjectChange(key=key_of(obj), action="remove", lines=_lines(obj, None))


def changed_live(live: KubernetesObject, applied: KubernetesObject) -> ObjectChange | None:
    """How an object in the cluster differs from what applying the release's manifest would make of it.

    Both are the server's own answers, so defaults and normal forms are the same on both sides.
    """
    before, after = _comparable(live), _comparable(applied)
    if before == after:
        return None
    return ObjectChange(key=key_of(live), action="change", lines=_lines(before, after))


def _comparable(obj: KubernetesObject) -> dict[str, Any]:
    metadata = {key: value for key, value in (obj.get("metadata") or {}).items() if key not in _SERVER_FIELDS}
    return {key: value for key, value in obj.items() if key != "status"} | {"metadata": metadata}


def _identity(obj: KubernetesObject) -> tuple[str, str, str, str]:
    """Group, kind, namespace, name: a new version of an API is the same object."""
    key: ObjectKey = key_of(obj)
    return key.api_version.rpartition("/")[0], key.kind, key.namespace or "", key.name


def _lines(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> tuple[str, ...]:
    old = [] if before is None else to_yaml(redact_object(before)).splitlines()
    new = [] if after is None else to_yaml(redact_object(after)).splitlines()
    diff = difflib.unified_diff(old, new, "installed", "rendered", n=_CONTEXT_LINES, lineterm="")
    return tuple(diff)
