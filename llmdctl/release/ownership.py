"""Who owns an object that a release would make, and refusing to take it from somebody else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llmdctl.errors import ConflictError, ForbiddenError, Problem
from llmdctl.kube import Cluster, KubernetesObject, key_of
from llmdctl.release.reading import read_all

_RELEASE_NAME: Final = "meta.helm.sh/release-name"
_RELEASE_NAMESPACE: Final = "meta.helm.sh/release-namespace"
_MANAGED_BY: Final = "app.kubernetes.io/managed-by"


def is_of_release(obj: KubernetesObject, name: str, namespace: str) -> bool:
    """Whether Helm counts a live object as part of a release (helm `pkg/action/validate.go`)."""
    metadata = obj.get("metadata") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    return (
        labels.get(_MANAGED_BY) == "Helm"
        and annotations.get(_RELEASE_NAME) == name
        and annotations.get(_RELEASE_NAMESPACE) == namespace
    )


def release_of(obj: KubernetesObject) -> str | None:
    """The name of the Helm release that a live object is part of."""
    name = ((obj.get("metadata") or {}).get("annotations") or {}).get(_RELEASE_NAME)
    return str(name) if name else None


def as_of_release(obj: KubernetesObject, name: str, namespace: str) -> KubernetesObject:
    """A rendered object with the marks that Helm puts on it."""
    metadata = obj.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), _MANAGED_BY: "Helm"}
    annotations = {**(metadata.get("annotations") or {}), _RELEASE_NAME: name, _RELEASE_NAMESPACE: namespace}
    return {**obj, "metadata": {**metadata, "labels": labels, "annotations": annotations}}


def owner_of(obj: KubernetesObject) -> str:
    """Who owns a live object, in words."""
    metadata = obj.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    if annotations.get(_RELEASE_NAME):
        return f"Helm release {annotations[_RELEASE_NAME]} in namespace {annotations.get(_RELEASE_NAMESPACE, '?')}"
    controllers = [entry for entry in metadata.get("ownerReferences") or () if entry.get("controller")]
    if controllers:
        return f"{controllers[0].get('kind')} {controllers[0].get('name')}"
    managers = {str(entry.get("manager")) for entry in metadata.get("managedFields") or () if entry.get("manager")}
    return f"whoever used {' and '.join(sorted(managers))}" if managers else "somebody else"


def refuse_foreign(cluster: Cluster, objects: Sequence[KubernetesObject], *, name: str, namespace: str) -> None:
    """Raise ConflictError for placed objects that exist and belong to somebody else, all of them together."""
    problems: list[Problem] = []
    for key, live in read_all(cluster, [key_of(obj) for obj in objects]).items():
        # What may not be read is left to Helm, which says so if it matters.
        if live is None or isinstance(live, ForbiddenError) or is_of_release(live, name, namespace):
            continue
        place = f" in namespace {key.namespace}" if key.namespace else ""
        problems.append(Problem(message=f"{key}{place} belongs to {owner_of(live)}"))
    if problems:
        raise ConflictError(
            f"release {name} would take over what it does not own",
            problems=tuple(problems),
            remedy="Remove or rename these, give the release another name, or adopt them with --take-ownership.",
        )
