"""Sections that are listed: page by page, each page trimmed before the next one is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from llmdctl.errors import ClusterError, ForbiddenError, TimedOutError, UnauthenticatedError
from llmdctl.kube.door import Cluster
from llmdctl.kube.served import Resource, Served
from llmdctl.kube.transport import JSON_TYPE
from llmdctl.model.inventory import Section, Seen
from llmdctl.model.sections import ENOUGH_IN_ONE_NAMESPACE, OBJECTS, OF_ONE_NAMESPACE, Kind
from llmdctl.model.trimming import trimmer

Item = Mapping[str, Any]
Trim = Callable[[Item, str, str], dict[str, Any]]

_METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_TABLE: Final = "application/json;as=Table;g=meta.k8s.io;v=v1"
_PAGE: Final = 500  # objects a request, as kubectl asks for them
_PAGES: Final = {"crds": 50, "nodes": 250}  # a CRD may weigh a megabyte, for its schema, and a node 30 kB
_QUERIES: Final[dict[str, dict[str, str]]] = {
    "pods": {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"},
    "releases": {"labelSelector": "owner=helm"},
}
_FIXED_NAMESPACE: Final = {"leases": "kube-node-lease"}
_NOT_FOUND: Final = 404
_GONE: Final = 410  # the list that a page is of has been forgotten
_WORST: Final = (Seen.FAILED, Seen.TIMED_OUT, Seen.FORBIDDEN, Seen.OK, Seen.NOT_SERVED)


@dataclass(kw_only=True)
class Reading:
    """How reading one kind went."""

    seen: Seen
    reason: str = ""
    items: list[Item] = field(default_factory=list)
    namespace: str = ""


@dataclass(frozen=True, kw_only=True)
class Lister:
    """Reads sections of one cluster. `served` is None where discovery failed: then first versions are tried."""

    cluster: Cluster
    served: Served | None
    namespace: str  # of the release; empty without one
    crd_groups: Collection[str] | None = None  # API groups whose CRDs are read whole, of others the metadata; None: all

    def section(self, name: str) -> Section:
        """One section of OBJECTS. Raises UnauthenticatedError, nothing else that a server can cause."""
        started_s = time.monotonic()
        readings = [self._kind(name, kind) for kind in OBJECTS[name]]
        return _together(readings, time.monotonic() - started_s)

    def _kind(self, name: str, kind: Kind) -> Reading:
        resource = self._resource(kind)
        if isinstance(resource, Reading):
            return resource
        if name in OF_ONE_NAMESPACE and not self.namespace:
            return Reading(seen=Seen.ABSENT, reason="no namespace was named")
        place = self.namespace if name in OF_ONE_NAMESPACE else _FIXED_NAMESPACE.get(name, "")
        found = self._read(name, kind, resource, place)
        if name in OF_ONE_NAMESPACE:
            found.namespace = self.namespace
        if found.seen is Seen.FORBIDDEN and not place:
            return self._of_namespace(name, kind, resource, found)
        return found

    def _of_namespace(self, name: str, kind: Kind, resource: Resource, refused: Reading) -> Reading:
        """After a refusal to list all: what the release's own namespace holds."""
        if name == "namespaces" and self.namespace:
            return self._own_namespace(kind, resource, refused)
        if not resource.namespaced or not self.namespace:
            return refused
        found = self._read(name, kind, resource, self.namespace)
        if found.seen is not Seen.OK:
            return refused
        reason = f"only namespace {self.namespace} was read: {refused.reason}"
        if name in ENOUGH_IN_ONE_NAMESPACE:
            return Reading(seen=Seen.OK, reason=reason, items=found.items, namespace=self.namespace)
        return Reading(seen=Seen.FORBIDDEN, reason=reason, items=found.items, namespace=self.namespace)

    def _own_namespace(self, kind: Kind, resource: Resource, refused: Reading) -> Reading:
        answer = self.cluster.exchange("GET", resource.path(name=self.namespace))
        if answer.status == 404:
            absent = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}, "absent": True}
            return Reading(seen=Seen.FORBIDDEN, reason=refused.reason, items=[absent])
        if not answer.good:
            return refused
        item = trimmer(kind)(answer.document(what="get the namespace"), "v1", "Namespace")
        return Reading(seen=Seen.FORBIDDEN, reason=refused.reason, items=[item])

    def _resource(self, kind: Kind) -> Resource | Reading:
        """Where objects of a kind are, or that there are none."""
        name = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
        if self.served is None:
            return _assumed(kind)
        versions = self.served.versions(kind.group, kind.plural)
        wanted = next((version for version in kind.versions if version in versions), None)
        if wanted is None and versions:
            return Reading(seen=Seen.FAILED, reason=f"{name} is served as {', '.join(versions)} alone")
        if wanted is None:
            return Reading(seen=Seen.NOT_SERVED, reason=f"the server does not have {name}")
        api_version = f"{kind.group}/{wanted}" if kind.group else wanted
        return next(
            found for found in self.served.resources if (found.api_version, found.plural) == (api_version, kind.plural)
        )

    def _read(self, name: str, kind: Kind, resource: Resource, namespace: str) -> Reading:
        try:
            return Reading(seen=Seen.OK, items=self._items(name, kind, resource, namespace))
        except UnauthenticatedError:
            raise
        except ClusterError as error:
            return Reading(seen=outcome(error), reason=error.message)

    def _items(self, name: str, kind: Kind, resource: Resource, namespace: str) -> list[Item]:
        path, what = resource.path(namespace=namespace or None), f"list {resource.plural}"
        accept, query = JSON_TYPE if kind.keep else _METADATA, _QUERIES.get(name, {})
        if name == "secrets":
            accept, query = _TABLE, {"includeObject": "None"}
        if name == "crds" and self.crd_groups is not None:
            with suppress(_GoneError, ForbiddenError):  # one who may list them, and not get one, reads all of them
                return self._chosen_crds(kind, resource, self.crd_groups)
        size = _PAGES.get(name, _PAGE)
        for last in (False, True):
            take = partial(_secrets, namespace) if name == "secrets" else partial(_trimmed, trimmer(kind), resource)
            try:
                return gathered(self.cluster, path, what=what, accept=accept, query=query, size=size, take=take)
            except _GoneError:
                if last:
                    raise
        raise AssertionError("unreachable")

    def _chosen_crds(self, kind: Kind, resource: Resource, groups: Collection[str]) -> list[Item]:
        """Every CRD, most by its metadata alone: a cluster has hundreds, megabytes of schemas for server and client."""
        trim = trimmer(kind)
        listed = gathered(
            self.cluster, resource.path(), what="list customresourcedefinitions", accept=_METADATA, query={},
            size=_PAGE, take=partial(_trimmed, trim, resource),
        )  # fmt: skip
        read: list[Item] = []
        for item in listed:
            name = str(item["metadata"]["name"])
            if name.partition(".")[2] not in groups:  # a CRD is called plural.group
                read.append(item)
                continue
            answer = self.cluster.exchange("GET", resource.path(name=name))
            if answer.status != _NOT_FOUND:  # else it was removed meanwhile
                what = f"get customresourcedefinition {name}"
                read.append(trim(answer.checked(what=what).document(what=what), resource.api_version, resource.kind))
        return read


class _GoneError(ClusterError):
    """The server has forgotten the list between two pages of it."""


def gathered(
    cluster: Cluster,
    path: str,
    *,
    what: str,
    accept: str,
    query: Mapping[str, str],
    size: int,
    take: Callable[[Mapping[str, Any]], Iterable[Item]],
) -> list[Item]:
    """What `take` keeps of each page of a list. One page is held at a time.

    Raises what `Cluster.list_objects` raises.
    """
    asked = {"limit": str(size), **query}
    kept: list[Item] = []
    while True:
        page = _page(cluster, path, what=what, accept=accept, query=asked)
        kept += take(page)
        metadata = page.get("metadata")
        following = metadata.get("continue") if isinstance(metadata, dict) else None
        if not following:
            return kept
        asked["continue"] = str(following)
        del page, metadata  # before the next one comes


def _page(cluster: Cluster, path: str, *, what: str, accept: str, query: Mapping[str, str]) -> dict[str, Any]:
    answer = cluster.exchange("GET", path, query=query, accept=accept)
    if answer.status == _GONE:
        raise _GoneError(f"{what}: the list changed faster than it could be read")
    page = answer.checked(what=what).document(what=what)
    table = "Table" in accept
    rows = page.get("rows" if table else "items")
    if rows is not None and not (
        isinstance(rows, list) and all(_is_row(row) if table else _is_object(row) for row in rows)
    ):
        raise ClusterError(f"{what}: the answer is no list of objects")
    return page


def _is_row(row: object) -> bool:
    return isinstance(row, dict) and isinstance(row.get("cells"), list)


def _is_object(item: object) -> bool:
    metadata = item.get("metadata") if isinstance(item, dict) else None
    return isinstance(metadata, dict) and isinstance(metadata.get("name"), str)


def _trimmed(trim: Trim, resource: Resource, page: Mapping[str, Any]) -> Iterator[Item]:
    kind = resource.kind or str(page.get("kind", "")).removesuffix("List")
    return (trim(item, resource.api_version, kind) for item in page.get("items") or ())


def outcome(error: ClusterError) -> Seen:
    """What an error makes of a section."""
    if isinstance(error, ForbiddenError):
        return Seen.FORBIDDEN
    return Seen.TIMED_OUT if isinstance(error, TimedOutError) else Seen.FAILED


def _assumed(kind: Kind) -> Resource:
    version = kind.versions[0]
    return Resource(
        api_version=f"{kind.group}/{version}" if kind.group else version, kind="", plural=kind.plural,
        namespaced=False, verbs=frozenset(),
    )  # fmt: skip


def _secrets(namespace: str, page: Mapping[str, Any]) -> Iterator[Item]:
    """Name and type of Secrets, from the table that kubectl shows of them."""
    columns = [str(column.get("name", "")).lower() for column in page.get("columnDefinitions") or ()]
    for row in page.get("rows") or ():
        shown = dict(zip(columns, row.get("cells") or (), strict=False))
        if "name" in shown:
            metadata = {"name": shown["name"], "namespace": namespace}
            yield {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": str(shown.get("type", ""))}


def _together(readings: list[Reading], seconds: float) -> Section:
    """Several kinds as one section: as well known as the worst of them, not served only if none is."""
    worst = next(seen for seen in (*_WORST, Seen.ABSENT) if any(reading.seen is seen for reading in readings))
    reasons = dict.fromkeys(
        reading.reason
        for reading in readings
        if reading.reason and (reading.seen is worst or reading.seen not in (Seen.OK, Seen.NOT_SERVED))
    )
    return Section(
        seen=worst,
        reason="; ".join(reasons),
        items=tuple(item for reading in readings for item in reading.items),
        seconds=round(seconds, 3),
        namespace=next((reading.namespace for reading in readings if reading.namespace), ""),
    )
