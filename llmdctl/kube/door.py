"""What the rest of llmdctl may ask of a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from llmdctl.kube.forwarding import PodHttp
from llmdctl.kube.served import Served
from llmdctl.kube.transport import JSON_TYPE, Answer
from llmdctl.model.release import ObjectKey

FIELD_MANAGER: Final = "llmdctl"
"""The one field manager of everything that llmdctl applies itself; what Helm applies is Helm's."""

KubernetesObject = Mapping[str, Any]


def key_of(obj: KubernetesObject) -> ObjectKey:
    """What names an object; absent parts are empty strings, so that a broken object still has a key."""
    metadata = obj.get("metadata") or {}
    return ObjectKey(
        api_version=str(obj.get("apiVersion", "")),
        kind=str(obj.get("kind", "")),
        namespace=metadata.get("namespace"),
        name=str(metadata.get("name", "")),
    )


class Cluster(Protocol):
    """One API server under one identity. Every call ends within the request timeout given to `connect`.

    All methods raise UnreachableError, UnauthenticatedError, ForbiddenError, ConflictError or ClusterError, with the
    server's own reason. A kind that is not served is a ClusterError; an object that is not there is None.
    """

    @property
    def server(self) -> str:
        """The address, such as `https://127.0.0.1:6443`."""
        ...

    def version(self) -> str:
        """The server's version without its `v`, such as `1.34.4`."""
        ...

    def served(self, *, fresh: bool = False) -> Served:
        """Which kinds the server has; asked once unless `fresh`."""
        ...

    def get(self, key: ObjectKey) -> KubernetesObject | None:
        """One object; of a Secret, the metadata."""
        ...

    def list_objects(
        self,
        api_version: str,
        kind: str,
        *,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
        metadata_only: bool = False,
        limit: int | None = None,
    ) -> tuple[KubernetesObject, ...]:
        """Objects of one kind, of all namespaces when none is named; the first `limit` of them when that is given."""
        ...

    def create(self, obj: KubernetesObject) -> bool:
        """Make an object. False: one of that name is there already."""
        ...

    def apply(
        self,
        obj: KubernetesObject,
        *,
        field_manager: str = FIELD_MANAGER,
        force: bool = False,
        dry_run: bool = False,
    ) -> KubernetesObject:
        """Server-side apply with strict field validation; the object as it is, or under `dry_run` would be."""
        ...

    def delete(self, key: ObjectKey) -> bool:
        """Start the deletion of an object, its dependents after it. False: it is not there."""
        ...

    def logs(
        self, namespace: str, pod: str, container: str, *, previous: bool = False, lines: int = 20
    ) -> tuple[str, ...]:
        """The last lines that a container wrote, or that the one before its restart wrote."""
        ...

    def first_logs(self, namespace: str, pod: str, container: str, *, limit_bytes: int) -> tuple[str, ...]:
        """The first lines that are still kept of what a container wrote, at most so many bytes of them."""
        ...

    @property
    def pods(self) -> PodHttp:
        """HTTP to ports of pods, through pods/portforward."""
        ...

    def allowed(
        self, verb: str, group: str, resource: str, *, namespace: str | None = None, name: str | None = None
    ) -> bool:
        """Whether this identity may do that."""
        ...

    def exchange(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        accept: str = JSON_TYPE,
        content_type: str = JSON_TYPE,
    ) -> Answer:
        """One request as it is, and its answer, whatever its status: for what no other method asks.

        Raises UnreachableError and nothing else.
        """
        ...
