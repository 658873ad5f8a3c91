"""Paths and facets as they are read from their files: facts, blocks of values, and what they refuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from llmdctl.errors import Problem, RecipeError
from llmdctl.merge import leaves, merge
from llmdctl.model.document import Document, Mark
from llmdctl.recipe.templates import as_written, with_templates

Leaf = tuple[tuple[str, ...], Any]

_COMMON: Final = frozenset(("kind", "name", "title", "sources", "values", "when", "excludes", "prerequisites"))
_KEYS: Final = {
    "facet": _COMMON | {"facts", "node"},
    "path": _COMMON
    | {"goal", "use_when", "avoid_when", "defaults", "defaults_for", "needs", "offers", "roles", "facts"},
}
_BLOCK_KEYS: Final = frozenset(("match", "values", "warning"))
_EXCLUSION_KEYS: Final = frozenset(("match", "reason", "evidence"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Values that hold under a condition; without a condition they are a file's base."""

    layer: str  # `path`, or the axis of the facet
    file: str
    mark: Mark  # of `values`
    match: Mapping[str, tuple[str, ...]]  # axis -> names; `role` too
    values: Mapping[str, Any]  # strings with expressions are Templates
    warning: str | None = None
    leaves: tuple[Leaf, ...] = field(default=())
    inner: frozenset[tuple[str, ...]] = field(default=frozenset())  # every path above a leaf
    written: Mapping[str, Any] = field(default_factory=dict)  # `values` with expressions as text

    @property
    def condition(self) -> str:
        """`engine=vllm, role=prefill`."""
        return ", ".join(f"{axis}={'|'.join(names)}" for axis, names in self.match.items())

    def line(self, path: tuple[str, ...]) -> int:
        """Where the value at `path` stands."""
        return self.mark.at(path).line


@dataclass(frozen=True, kw_only=True, slots=True)
class FittingDefaults:
    """Defaults of a path that follow from a choice on another axis, such as the fabric from the accelerator."""

    match: Mapping[str, tuple[str, ...]]
    defaults: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Exclusion:
    """A combination that is refused, and why."""

    layer: str
    file: str
    line: int
    match: Mapping[str, tuple[str, ...]]
    reason: str
    evidence: str  # known-bad | impossible


@dataclass(frozen=True, kw_only=True, slots=True)
class Facet:
    """One choice on one axis."""

    kind: str  # the axis: model, accelerator, ...
    name: str
    title: str
    file: str
    sources: tuple[str, ...]
    facts: Mapping[str, Any]
    base: Block
    when: tuple[Block, ...]
    excludes: tuple[Exclusion, ...]
    node: Mapping[str, Any]  # accelerators: what a node of this kind shows
    prerequisites: tuple[str, ...]  # names in versions.yaml


@dataclass(frozen=True, kw_only=True, slots=True)
class WellLitPath:
    """One way to serve a model that is known to work well, before any facet is chosen."""

    name: str
    title: str
    goal: str
    use_when: tuple[str, ...]
    avoid_when: tuple[str, ...]
    file: str
    sources: tuple[str, ...]
    defaults: Mapping[str, str]  # axis -> facet
    defaults_for: tuple[FittingDefaults, ...]
    needs: Mapping[str, str]  # what kind of model: {model: moe}
    offers: Mapping[str, tuple[str, ...]]  # axis -> facets; an axis that is absent offers all
    roles: tuple[str, ...]
    base: Block
    when: tuple[Block, ...]
    excludes: tuple[Exclusion, ...]
    prerequisites: tuple[str, ...]


class Malformed(Exception):
    """A file has not the shape that the schema asks for. Never reaches a user: the schema then says what is wrong."""


def facet_from(document: Document) -> Facet:
    """The facet in a file that follows schemas/facet.schema.json.

    Raises Malformed when it does not, and RecipeError for mistakes in expressions.
    """
    value = _shape(document, "facet")
    try:
        kind = value["kind"]
        return Facet(
            kind=kind,
            name=value["name"],
            title=value["title"],
            file=document.file,
            sources=tuple(value.get("sources") or ()),
            facts=value.get("facts") or {},
            base=_base(document, kind),
            when=_when(document, kind),
            excludes=_excludes(document, kind),
            node=value.get("node") or {},
            prerequisites=_prerequisites(value),
        )
    except (KeyError, TypeError, AttributeError) as cause:
        raise Malformed from cause


def path_from(document: Document) -> WellLitPath:
    """The well-lit path in a file that follows schemas/path.schema.json.

    Raises Malformed when it does not, and RecipeError for mistakes in expressions.
    """
    value = _shape(document, "path")
    try:
        roles = tuple(value["roles"])
        stated: dict[str, Any] = {"global": {"llmd": {"roles": {role: {} for role in roles}}}}
        return WellLitPath(
            name=value["name"],
            title=value["title"],
            goal=value["goal"],
            use_when=tuple(value.get("use_when") or ()),
            avoid_when=tuple(value.get("avoid_when") or ()),
            file=document.file,
            sources=tuple(value.get("sources") or ()),
            defaults=value["defaults"],
            defaults_for=tuple(
                FittingDefaults(match=_match(entry["match"]), defaults=entry["defaults"])
                for entry in value.get("defaults_for") or ()
            ),
            needs=value.get("needs") or {},
            offers={axis: tuple(names) for axis, names in (value.get("offers") or {}).items()},
            roles=roles,
            base=_base(document, "path", stated),
            when=_when(document, "path"),
            excludes=_excludes(document, "path"),
            prerequisites=_prerequisites(value),
        )
    except (KeyError, TypeError, AttributeError) as cause:
        raise Malformed from cause


def _shape(document: Document, kind: str) -> Mapping[str, Any]:
    value = document.value
    blocks, exclusions = value.get("when") or (), value.get("excludes") or ()
    if (
        not value.keys() <= _KEYS[kind]
        or not isinstance(blocks, list | tuple)
        or not isinstance(exclusions, list | tuple)
        or not all(isinstance(block, dict) and {"match"} <= block.keys() <= _BLOCK_KEYS for block in blocks)
        or not all(isinstance(entry, dict) and entry.keys() <= _EXCLUSION_KEYS for entry in exclusions)
    ):
        raise Malformed
    return value


def _match(stated: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {axis: (names,) if isinstance(names, str) else tuple(names) for axis, names in stated.items()}


def _base(document: Document, layer: str, stated: Mapping[str, Any] | None = None) -> Block:
    """A file's own values; `stated` is what follows from the file without being written under `values`."""
    written = document.value.get("values") or {}
    return _block(document, layer, ("values",), values=merge(stated, written) if stated else written)


def _when(document: Document, layer: str) -> tuple[Block, ...]:
    blocks = enumerate(document.value.get("when") or ())
    return tuple(_block(document, layer, ("when", index, "values"), **block) for index, block in blocks)


def _block(
    document: Document,
    layer: str,
    place: tuple[str | int, ...],
    *,
    values: Mapping[str, Any] | None = None,
    match: Mapping[str, Any] | None = None,
    warning: str | None = None,
) -> Block:
    mark = document.mark.at(place)
    problems: list[Problem] = []
    compiled = with_templates(values or {}, mark, document.file, place, problems)
    if problems:
        raise RecipeError(f"{document.file} cannot be used.", problems=tuple(problems))
    own = tuple(leaves(compiled))
    return Block(
        layer=layer,
        file=document.file,
        mark=mark,
        match=_match(match or {}),
        values=compiled,
        warning=" ".join(warning.split()) if warning else None,
        leaves=own,
        inner=frozenset(path[:length] for path, _ in own for length in range(1, len(path))),
        written=as_written(compiled),
    )


def _excludes(document: Document, layer: str) -> tuple[Exclusion, ...]:
    return tuple(
        Exclusion(
            layer=layer,
            file=document.file,
            line=document.line(("excludes", index)),
            match=_match(entry["match"]),
            reason=" ".join(entry["reason"].split()),
            evidence=entry["evidence"],
        )
        for index, entry in enumerate(document.value.get("excludes") or ())
    )


def _prerequisites(value: Mapping[str, Any]) -> tuple[str, ...]:
    stated = value.get("prerequisites") or {}
    return (*(stated.get("crds") or ()), *(stated.get("controllers") or ()))
