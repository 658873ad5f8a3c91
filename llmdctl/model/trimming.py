"""What is kept of an object: the fields that `sections.Kind.keep` names, and of the metadata what identifies and owns.

Twenty thousand pods are held at once, so what is equal in them is held once: nobody may change a trimmed object.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from llmdctl.model.sections import KEPT_ANNOTATIONS, Kind

Item = Mapping[str, Any]
Tree = dict[str, "Branch"]

_SMALL: Final = (
    600  # bytes of a value that is likely to be met again: an image, a condition, the resources of a container
)
_NO_REFERENCES: Final = 2  # version of marshal in which equal values are written alike
_METADATA: Final = (
    "name",
    "namespace",
    "labels",
    "creationTimestamp",
    "deletionTimestamp",
    "finalizers",
    "ownerReferences",
    "resourceVersion",
)


@dataclass(slots=True)
class Branch:
    """One key of `keep`. Without `below` its whole value is kept."""

    each: bool = False  # `below` is of every item of a list
    below: Tree = field(default_factory=dict)


def trimmer(kind: Kind) -> Callable[[Item, str, str], dict[str, Any]]:
    """A function of (object, apiVersion, kind) -> the same object, trimmed.

    It remembers what it has met: use one for all objects of a section.
    """
    tree = _tree(kind.keep)
    own = tree.pop("metadata", Branch()).below
    known: dict[object, Any] = {}

    def trim(item: Item, api_version: str, kind_name: str) -> dict[str, Any]:
        metadata = item.get("metadata")
        kept = _metadata(metadata if isinstance(metadata, Mapping) else {}, own)
        body = {"apiVersion": api_version, "kind": kind_name, "metadata": kept, **_cut(item, tree)}
        return {known.setdefault(key, key): _shared(value, known) for key, value in body.items()}

    return trim


def _metadata(metadata: Item, own: Tree) -> dict[str, Any]:
    kept = {key: metadata[key] for key in _METADATA if metadata.get(key)}
    annotations = metadata.get("annotations")
    if isinstance(annotations, Mapping):
        named = {key: value for key, value in annotations.items() if key.startswith(KEPT_ANNOTATIONS)}
        kept |= {"annotations": named} if named else {}
    return kept | _cut(metadata, own)


def _tree(paths: Iterable[str]) -> Tree:
    root: Tree = {}
    for path in paths:
        level = root
        steps = path.split(".")
        for number, step in enumerate(steps):
            name = step.removesuffix("[]")
            branch = level.setdefault(name, Branch())
            last = number == len(steps) - 1
            branch.each = branch.each or (step.endswith("[]") and not last)
            level = branch.below
    return root


def _cut(value: Item, tree: Tree) -> dict[str, Any]:
    kept = {}
    for key, branch in tree.items():
        found = value.get(key)
        if found is None:
            continue
        kept[key] = found if not branch.below else _below(found, branch)
    return kept


def _below(value: Any, branch: Branch) -> Any:  # noqa: ANN401 - any JSON value
    if branch.each:
        return [_cut(item, branch.below) for item in value if isinstance(item, Mapping)] if _is_list(value) else []
    return _cut(value, branch.below) if isinstance(value, Mapping) else {}


def _is_list(value: object) -> bool:
    return isinstance(value, (list, tuple))


def _shared(value: Any, known: dict[object, Any]) -> Any:  # noqa: ANN401 - any JSON value
    """The same value, in which equal texts, and equal small mappings and lists, are one object."""
    if isinstance(value, str):
        return known.setdefault(value, value)
    if not isinstance(value, (dict, list)):
        return value
    written = marshal.dumps(value, _NO_REFERENCES)
    if len(written) > _SMALL:
        return _inside(value, known)
    found = known.get(written)
    if found is None:
        found = known[written] = _inside(value, known)
    return found


def _inside(value: Any, known: dict[object, Any]) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {known.setdefault(key, key): _shared(inner, known) for key, inner in value.items()}
    return [_shared(inner, known) for inner in value]
