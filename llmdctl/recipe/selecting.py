"""From what a person names to one path and one facet on every axis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from llmdctl.errors import Problem, RecipeError
from llmdctl.model.recipe import Evidence
from llmdctl.model.selection import AXES, Selection, spoken
from llmdctl.recipe.catalog import Catalog
from llmdctl.recipe.facet import Block, Exclusion, Facet, WellLitPath
from llmdctl.recipe.layering import holds
from llmdctl.recipe.names import choices, nearest


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One path and one facet of each axis."""

    path: WellLitPath
    facets: Mapping[str, Facet]  # axis -> facet, in layer order
    names: Mapping[str, str]  # `path` and each axis -> name
    defaults: Mapping[str, str]  # axis -> what the path takes beside the other choices

    def blocks(self) -> Iterator[Block]:
        """Every block of every layer, in layer order, whatever its condition."""
        for source in self._sources():
            yield source.base
            yield from source.when

    def _sources(self) -> tuple[WellLitPath | Facet, ...]:
        return (self.path, *self.facets.values())

    def exclusions(self) -> list[Exclusion]:
        """What refuses this combination."""
        return [
            exclusion
            for source in self._sources()
            for exclusion in source.excludes
            if holds(exclusion.match, self.names, self.path.roles)
        ]


def select(catalog: Catalog, selection: Selection) -> Cell:
    """The cell that `selection` names, with the path's defaults for the axes it leaves open.

    Raises RecipeError with every name that is unknown or not offered by the path.
    """
    path = catalog.path(selection.path)
    named = selection.chosen()
    defaults = defaults_beside(path, named)
    chosen = {**defaults, **named}
    problems = [problem for axis in AXES for problem in _problems(catalog, path, axis, chosen.get(axis))]
    if problems:
        raise RecipeError(f"The recipe '{path.name}' cannot be composed like that.", problems=tuple(problems))
    return Cell(
        path=path,
        facets={axis: catalog.facet(axis, chosen[axis]) for axis in AXES},
        names={"path": path.name, **{axis: chosen[axis] for axis in AXES}},
        defaults=defaults,
    )


def defaults_beside(path: WellLitPath, named: Mapping[str, str]) -> Mapping[str, str]:
    """The path's defaults, with those that follow from what is `named`; entries apply in their order."""
    if not path.defaults_for:
        return path.defaults
    defaults = dict(path.defaults)
    chosen = {"path": path.name, **defaults, **named}
    for entry in path.defaults_for:
        if holds(entry.match, chosen, path.roles):
            for axis, name in entry.defaults.items():
                defaults[axis] = name
                chosen[axis] = named.get(axis, name)
    return defaults


def _problems(catalog: Catalog, path: WellLitPath, axis: str, name: str | None) -> Iterator[Problem]:
    if name is None:
        message = f"the path has no default for '{axis}', and none is named."
        yield Problem(file=path.file, path="defaults", message=message, remedy=choices(catalog.names(axis)))
        return
    unknown = catalog.unknown(axis, name)
    if unknown:
        yield unknown
        return
    offered = path.offers.get(axis)
    if offered is not None and name not in offered:
        yield Problem(
            message=f"'{path.name}' does not offer the {spoken(axis)} '{name}'.",
            suggestion=nearest(name, offered),
            remedy=None if nearest(name, offered) else f"It offers {', '.join(offered)}.",
        )


def refuse(cell: Cell, known: Evidence, *, force: bool) -> list[str]:
    """The reasons why a combination is known to be bad, when the user goes on all the same.

    A facet or path may exclude it, and `known` may say that it failed. Raises RecipeError when it is impossible, or
    known-bad and not forced.
    """
    exclusions = cell.exclusions()
    failed = [known.reason] if known.level == "known-bad" else []
    refused = [one for one in exclusions if one.evidence == "impossible" or not force]
    if not refused and (force or not failed):
        return [*(one.reason for one in exclusions), *failed]
    impossible = any(one.evidence == "impossible" for one in refused)
    involved = _axes(refused) or {"path", "model", "accelerator", "engine"}
    names = ", ".join(f"{axis} {name}" for axis, name in cell.names.items() if axis in involved)
    problems = [Problem(file=one.file, line=one.line, message=one.reason) for one in refused]
    problems += [Problem(message=f"{reason} See {known.link}." if known.link else reason) for reason in failed]
    word = "cannot work" if impossible else "is known to be bad"
    raise RecipeError(
        f"This combination {word}: {names}.",
        remedy=None if impossible else "Add --force to go on all the same.",
        problems=tuple(problems),
    )


def _axes(exclusions: list[Exclusion]) -> set[str]:
    return {axis for one in exclusions for axis in (one.layer, *one.match)}
