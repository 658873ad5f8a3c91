"""The default matrix: the combinations that we stand for, and for every other one the reason why it is left out.

For each path: every two of model, accelerator and engine, the third and the other axes at the path's defaults for them;
at the path's default cell every other facet of every axis, with one companion where the facet asks for one; the
combinations of evidence.yaml; and COMPOSITIONS. Pairs, since few faults of settings need a third choice to show
(https://csrc.nist.gov/pubs/sp/800/142/final).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product
from typing import Final

from llmdctl.errors import Problem, RecipeError
from llmdctl.model.recipe import Evidence, Recipe
from llmdctl.model.selection import AXES, Selection, spoken
from llmdctl.recipe.capacity import tensor_fit, too_tight
from llmdctl.recipe.catalog import Catalog
from llmdctl.recipe.composing import compose
from llmdctl.recipe.evidence import evidence_of
from llmdctl.recipe.facet import WellLitPath
from llmdctl.recipe.predicates import Refusal, known_bad, refusal
from llmdctl.recipe.selecting import Cell, defaults_beside

GRID: Final = ("model", "accelerator", "engine")
"""The axes that are crossed with each other, two by two."""

COMPOSITIONS: Final[tuple[Mapping[str, str], ...]] = (
    {"prefix_index": "precise", "flow_control": "priorities"},
    {"autoscaler": "keda-queue", "metrics": "prometheus-operator", "prefix_index": "precise"},
    {"autoscaler": "keda-queue", "flow_control": "priorities", "metrics": "prometheus-operator"},
    {"autoscaler": "keda-saturation", "gateway": "istio", "metrics": "prometheus-operator"},
    {"gateway": "istio", "prefix_index": "precise"},
    {"flow_control": "priorities", "gateway": "istio", "metrics": "prometheus-operator"},
    {"gateway": "agentgateway", "flow_control": "priorities", "prefix_index": "precise"},
)
"""Choices on several axes that every path shall take together, at its default cell."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MatrixCell:
    """One combination of the default matrix, kept or left out."""

    names: Mapping[str, str]  # `path` and each axis -> name
    refusal: Refusal | None = None
    recipe: Recipe | None = None  # None when refused

    @property
    def path(self) -> str:
        """The well-lit path."""
        return self.names["path"]

    @property
    def evidence(self) -> Evidence | None:
        """How well the cell is known; None when it is refused."""
        return self.recipe.evidence if self.recipe else None

    @property
    def selection(self) -> Selection:
        """What to ask for to get this cell."""
        return Selection(**self.names)


Objections = Callable[[Recipe], Iterable[Problem]]
"""What else speaks against a composed recipe; `values.contradictions` judges its sizes."""


def no_objections(_: Recipe) -> Iterable[Problem]:
    """Nothing."""
    return ()


def matrix(
    catalog: Catalog, paths: tuple[str, ...] = (), objections: Objections = no_objections
) -> Iterator[MatrixCell]:
    """Every combination of the default matrix of `paths` (all, when none is named), by path; each once."""
    for name in paths or catalog.names("path"):
        for names in candidates(catalog, catalog.path(name)):
            yield judged(catalog, names, objections)


def candidates(catalog: Catalog, path: WellLitPath) -> Iterator[Mapping[str, str]]:
    """Every combination that is thought of for a path, as `path` and axis -> name; each once."""
    seen: set[tuple[str, ...]] = set()
    for named in _named(catalog, path):
        names = {"path": path.name, **defaults_beside(path, named), **named}
        key = tuple(names[axis] for axis in AXES)
        if key not in seen:
            seen.add(key)
            yield names


def judged(catalog: Catalog, names: Mapping[str, str], objections: Objections = no_objections) -> MatrixCell:
    """A combination, composed, or the first reason why not."""
    found = refused(catalog, names)
    if found:
        return MatrixCell(names=names, refusal=found)
    try:
        recipe = compose(catalog, Selection(**names))
    except RecipeError as wrong:
        return MatrixCell(names=names, refusal=_uncomposed(catalog, names, wrong))
    served = tuple(role for role in recipe.roles if role.name != "encode")  # which keeps no sequences
    for sentence in too_tight(served, recipe.facts, recipe.values):
        return MatrixCell(names=names, refusal=_no_room(sentence))
    for problem in objections(recipe):
        reason = "Sizes that follow from the model and the node do not fit together."
        return MatrixCell(names=names, refusal=Refusal(kind="sizes", reason=reason, detail=_sentence(problem.message)))
    return MatrixCell(names=names, recipe=recipe)


def refused(catalog: Catalog, names: Mapping[str, str]) -> Refusal | None:
    """The first predicate against a combination, without composing it."""
    path = catalog.path(names["path"])
    for axis in AXES:
        if names[axis] not in path.offers.get(axis, (names[axis],)):
            return Refusal(kind="not-offered", reason=f"The path does not offer the {spoken(axis)} {names[axis]}.")
    cell = _cell(catalog, path, names)
    return refusal(cell, catalog.versions) or known_bad(evidence_of(catalog.cells, names, cell.defaults))


def _cell(catalog: Catalog, path: WellLitPath, names: Mapping[str, str]) -> Cell:
    facets = {axis: catalog.facet(axis, names[axis]) for axis in AXES}
    named = {axis: names[axis] for axis in GRID}
    return Cell(path=path, facets=facets, names=names, defaults=defaults_beside(path, named))


def _named(catalog: Catalog, path: WellLitPath) -> Iterator[Mapping[str, str]]:
    """What is chosen by name, before the path's defaults; one combination may come more than once."""
    for pair in combinations(GRID, 2):
        for chosen in product(*(catalog.names(axis) for axis in pair)):
            yield dict(zip(pair, chosen, strict=True))
    for axis in AXES:
        if axis not in GRID:
            for name in catalog.names(axis):
                yield _accompanied(catalog, path, {axis: name})
    for cell in catalog.cells:
        if path.name in cell.match.get("path", ()):
            axes = [axis for axis in AXES if axis in cell.match]
            for chosen in product(*(cell.match[axis] for axis in axes)):
                yield dict(zip(axes, chosen, strict=True))
    for composition in COMPOSITIONS:
        if all(name in catalog.names(axis) for axis, name in composition.items()):
            yield composition


def _accompanied(catalog: Catalog, path: WellLitPath, named: Mapping[str, str]) -> Mapping[str, str]:
    """`named`; where that is refused, with the first other facet of one axis that lets it pass, if there is one."""
    if not _refused(catalog, path, named):
        return named
    for axis in (*reversed(AXES[len(GRID) :]), *reversed(GRID)):
        for name in () if axis in named else catalog.names(axis):
            together = {**named, axis: name}
            if not _refused(catalog, path, together):
                return together
    return named


def _refused(catalog: Catalog, path: WellLitPath, named: Mapping[str, str]) -> bool:
    return refused(catalog, {"path": path.name, **defaults_beside(path, named), **named}) is not None


def _uncomposed(catalog: Catalog, names: Mapping[str, str], wrong: RecipeError) -> Refusal:
    facts = {axis: catalog.facet(axis, names[axis]).facts for axis in ("model", "accelerator", "engine")}
    fit = tensor_fit(facts)
    if isinstance(fit, str):
        return _no_room(fit)
    if any("image" in (problem.path or "").split(".") for problem in wrong.problems):
        titles = (catalog.facet(axis, names[axis]).title for axis in ("engine", "accelerator"))
        return Refusal(kind="no-image", reason="There is no image of {} for {} in versions.yaml.".format(*titles))
    message = wrong.problems[0].message if wrong.problems else wrong.message
    if wrong.problems and "parallelism" in (wrong.problems[0].path or ""):
        reason = "The parallelism that the path asks for does not divide the model or the node."
        return Refusal(kind="parallelism", reason=reason, detail=_sentence(message))
    return Refusal(kind="composition", reason=_sentence(message))


def _no_room(detail: str) -> Refusal:
    reason = "The accelerators of one node have no room for the weights and one sequence of the longest context."
    return Refusal(kind="context", reason=reason, detail=_sentence(detail))


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"
