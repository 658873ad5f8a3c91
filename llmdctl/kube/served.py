"""What kinds an API server has: parsing its discovery documents. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """One served kind and where its objects are."""

    api_version: str  # `v1`, `apps/v1`
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str]

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    def path(self, *, namespace: str | None = None, name: str | None = None) -> str:
        """The URL path of one object, or of the collection without `name`."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        place = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        return f"{root}{place}/{self.plural}" + (f"/{quote(name, safe='')}" if name else "")


@dataclass(frozen=True, kw_only=True)
class Served:
    """Every kind that a server has."""

    resources: tuple[Resource, ...]

    @cached_property
    def _by_kind(self) -> dict[tuple[str, str], Resource]:
        return {(resource.api_version, resource.kind): resource for resource in self.resources}

    def find(self, api_version: str, kind: str) -> Resource | None:
        """The resource of a kind, or None when the server does not have it."""
        return self._by_kind.get((api_version, kind))

    def versions(self, group: str, plural: str) -> tuple[str, ...]:
        """The versions in which a resource is served, such as `("v1", "v1beta1")`; empty when it is not."""
        return tuple(
            resource.api_version.rpartition("/")[2]
            for resource in self.resources
            if resource.group == group and resource.plural == plural
        )

    @property
    def api_versions(self) -> tuple[str, ...]:
        """What Helm calls `.Capabilities.APIVersions`: each group and version, and each kind in it."""
        groups = {resource.api_version: None for resource in self.resources}
        return (*groups, *(f"{resource.api_version}/{resource.kind}" for resource in self.resources))


def parse_aggregated(documents: Iterable[Mapping[str, Any]]) -> Served:
    """From `APIGroupDiscoveryList` documents, in which Kubernetes 1.27+ gives everything in two requests."""
    return Served(resources=tuple(_aggregated(documents)))


def _aggregated(documents: Iterable[Mapping[str, Any]]) -> Iterator[Resource]:
    for document in documents:
        for group in document.get("items", ()):
            name = group.get("metadata", {}).get("name", "")
            for version in group.get("versions", ()):
                api_version = f"{name}/{version['version']}" if name else version["version"]
                for found in version.get("resources", ()):
                    kind = (found.get("responseKind") or {}).get("kind")
                    if kind:
                        yield Resource(
                            api_version=api_version,
                            kind=kind,
                            plural=found["resource"],
                            namespaced=found.get("scope") == "Namespaced",
                            verbs=frozenset(found.get("verbs", ())),
                        )


def parse_resource_list(document: Mapping[str, Any]) -> tuple[Resource, ...]:
    """From one `APIResourceList`, as older servers and proxies give; subresources are left out."""
    return tuple(
        Resource(
            api_version=document["groupVersion"],
            kind=found["kind"],
            plural=found["name"],
            namespaced=bool(found.get("namespaced")),
            verbs=frozenset(found.get("verbs", ())),
        )
        for found in document.get("resources", ())
        if "/" not in found["name"]
    )
