"""What `kubectl get -o yaml|json` prints, as sections of an inventory: Lists, single objects, several documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from llmdctl.model.inventory import Section, Seen
from llmdctl.model.rights import guessed_plural
from llmdctl.model.sections import OBJECTS
from llmdctl.model.trimming import trimmer

Item = Mapping[str, Any]
Path = tuple[str | int, ...]
Trim = Callable[[Item, str, str], dict[str, Any]]

_ODD_PLURALS: Final = {
    "networkattachmentdefinition": "network-attachment-definitions",
    "securitycontextconstraints": "securitycontextconstraints",
}
_LEASES: Final = "kube-node-lease"
_ENDED: Final = frozenset({"Succeeded", "Failed"})
_ALL: Final = frozenset({"pods", "resource-claims"})
"""Where a part of the objects would mislead: what is in use would seem to be free."""


def gathered(documents: Iterable[object]) -> tuple[dict[str, Section], list[tuple[Path, str]]]:
    """Sections by name, and mistakes with their path in the first document."""
    found: dict[str, list[Item]] = {}
    problems: list[tuple[Path, str]] = []
    trims = {(name, kind.plural): trimmer(kind) for name, kinds in OBJECTS.items() for kind in kinds}
    for document in documents:
        for path, item in _objects(document, ()):
            if not isinstance(item, Mapping) or not item.get("kind") or not isinstance(item.get("apiVersion"), str):
                problems.append((path, "it is no object of Kubernetes: it has no apiVersion and kind."))
                continue
            metadata = item.get("metadata")
            if not isinstance(metadata, Mapping) or not isinstance(metadata.get("name"), str):
                problems.append((path, "it is no object of Kubernetes: it has no metadata.name."))
                continue
            for name, trim in _sections(item, trims):
                found.setdefault(name, [])
                if _held(name, item):
                    found[name].append(trim(item, item["apiVersion"], str(item["kind"])))
    return {name: _section(name, items) for name, items in found.items()}, problems


def _objects(value: object, path: Path) -> Iterator[tuple[Path, Any]]:
    """The objects of a document; those of a List, and of a NodeList and its like."""
    if isinstance(value, Mapping) and str(value.get("kind", "")).endswith("List") and "items" in value:
        items = value["items"]
        if items is not None and not isinstance(items, list):
            yield (*path, "items"), items
            return
        each = str(value["kind"]).removesuffix("List")
        for number, item in enumerate(items or ()):
            if each and isinstance(item, Mapping) and "kind" not in item:  # the API's own lists leave it out
                yield (*path, "items", number), {"apiVersion": value.get("apiVersion"), "kind": each, **item}
            else:
                yield from _objects(item, (*path, "items", number))
        return
    yield path, value


def _sections(item: Item, trims: Mapping[tuple[str, str], Trim]) -> Iterator[tuple[str, Trim]]:
    group = item["apiVersion"].rpartition("/")[0]
    kind = str(item["kind"]).lower()
    plural = _ODD_PLURALS.get(kind) or guessed_plural(kind)
    for name, kinds in OBJECTS.items():
        if any((entry.group, entry.plural) == (group, plural) for entry in kinds):
            yield name, trims[name, plural]


def _held(name: str, item: Item) -> bool:
    """Whether an object belongs into the section, beyond its kind."""
    metadata = item["metadata"]
    if name == "pods":
        status = item.get("status")
        return not (isinstance(status, Mapping) and status.get("phase") in _ENDED)
    if name == "releases":
        return bool((metadata.get("labels") or {}).get("owner") == "helm")
    return name != "leases" or metadata.get("namespace") == _LEASES


def _section(name: str, items: list[Item]) -> Section:
    namespaces = {str(item["metadata"].get("namespace", "")) for item in items}
    if name in _ALL and len(namespaces) == 1:
        (only,) = namespaces
        reason = f"the file holds {name} of namespace {only} alone; kubectl get {name.replace('-', '')} -A gives all"
        return Section(seen=Seen.OK, reason=reason, items=tuple(items))
    return Section(seen=Seen.OK, items=tuple(items))
