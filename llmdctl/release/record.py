"""The state of a release, as Helm's own records tell it: their labels, never their data.

Helm keeps one Secret a revision, labelled `owner=helm`, `name`, `status`, `version` and a timestamp. The server is
asked for metadata only, so values and manifests do not pass through here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from llmdctl.kube import Cluster
from llmdctl.release.facts import VALUES, ReleaseFacts, from_labels

NOT_FOUND: Final = "not-found"
DEPLOYED: Final = "deployed"
_PENDING: Final = frozenset({"pending-install", "pending-upgrade", "pending-rollback"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Revision:
    """One revision of a release."""

    name: str
    namespace: str
    revision: int
    helm_status: str  # deployed, failed, superseded, uninstalling, pending-install, …
    changed_s: float  # since the epoch
    facts: ReleaseFacts
    values: str = ""  # see `facts.values_label`; empty where another tool made it

    @property
    def recipe(self) -> str:
        """The recipe it was made from; empty when another tool made it."""
        return self.facts.recipe

    @property
    def pending(self) -> bool:
        """Helm works on it, or was killed while it did."""
        return self.helm_status in _PENDING


def revisions(cluster: Cluster, name: str, namespace: str) -> tuple[Revision, ...]:
    """All revisions that Helm keeps of a release, oldest first; empty when there is none."""
    return _read(cluster, {"owner": "helm", "name": name}, namespace)


def latest(cluster: Cluster, name: str, namespace: str) -> Revision | None:
    """The newest revision, whatever its state, or None."""
    return next(reversed(revisions(cluster, name, namespace)), None)


def current(found: tuple[Revision, ...]) -> Revision | None:
    """The revision whose objects are in the cluster: the one deployed, else the newest; None when there is none."""
    deployed = [revision for revision in found if revision.helm_status == DEPLOYED]
    return next(reversed(deployed or found), None)


def releases(cluster: Cluster, namespace: str | None = None) -> tuple[Revision, ...]:
    """The newest revision of every release that llmdctl made, by namespace and name."""
    newest: dict[tuple[str, str], Revision] = {}
    for revision in _read(cluster, {"owner": "helm"}, namespace):
        newest[revision.namespace, revision.name] = revision
    return tuple(newest[key] for key in sorted(newest) if newest[key].facts.recipe)


def _read(cluster: Cluster, labels: Mapping[str, str], namespace: str | None) -> tuple[Revision, ...]:
    found = cluster.list_objects("v1", "Secret", namespace=namespace, labels=labels, metadata_only=True)
    read = [_revision(entry.get("metadata") or {}) for entry in found]
    return tuple(sorted(read, key=lambda revision: (revision.namespace, revision.name, revision.revision)))


def _revision(metadata: Mapping[str, object]) -> Revision:
    given = metadata.get("labels")
    labels: Mapping[str, str] = given if isinstance(given, Mapping) else {}
    return Revision(
        name=labels.get("name", ""),
        namespace=str(metadata.get("namespace", "")),
        revision=int(labels.get("version", "0")),
        helm_status=labels.get("status", "unknown"),
        changed_s=float(labels.get("modifiedAt") or labels.get("createdAt") or 0),
        facts=from_labels(labels),
        values=labels.get(VALUES, ""),
    )
