"""A selection and a person's changes to a composed recipe: every step, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from llmdctl.errors import Problem, RecipeError
from llmdctl.memory import serves_the_facet
from llmdctl.merge import merge
from llmdctl.model.document import json_path
from llmdctl.model.recipe import Evidence, Layer, Recipe, RoleSpec, locate
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe.capacity import tensor_fit, too_greedy, too_tight, uneven
from llmdctl.recipe.catalog import Catalog
from llmdctl.recipe.evaluation import Evaluation, Lazy
from llmdctl.recipe.evidence import compared, covering, evidence_of
from llmdctl.recipe.facet import Block
from llmdctl.recipe.layering import applicable, lay, ordered
from llmdctl.recipe.lookups import ExpressionError
from llmdctl.recipe.needs import unmet
from llmdctl.recipe.pins import pinned
from llmdctl.recipe.predicates import ALWAYS
from llmdctl.recipe.roles import role_problems, roles_from, strangers
from llmdctl.recipe.selecting import Cell, refuse, select
from llmdctl.recipe.user_values import Overlaid, overlay
from llmdctl.recipe.versions import Versions

NO_OVERRIDES = Overrides()


def compose(catalog: Catalog, selection: Selection, overrides: Overrides = NO_OVERRIDES) -> Recipe:
    """The path with one facet of each axis and the user's changes, every expression evaluated.

    Raises RecipeError (or UsageError for a `--set` that cannot be read) with every mistake of the first step that
    finds any: names, refused combinations, keys owned twice, files and arguments, expressions, values.
    """
    cell = select(catalog, selection)
    known = evidence_of(catalog.cells, cell.names, cell.defaults)
    forced = refuse(cell, known, force=overrides.force)
    _refuse_always(cell, catalog.versions)
    blocks = ordered(applicable(cell.blocks(), cell.names, cell.path.roles))
    overlaid = _overlaid(cell, blocks, overrides)
    layers = (*(_layer(block) for block in blocks if block.values), *overlaid.layers)
    problems: list[Problem] = []
    evaluation = Evaluation(overlaid.values, _names(cell, catalog.versions))
    values = evaluation.result()
    below = pinned(catalog.versions, values)
    if below:
        values, layers = merge(below.values, values), (below, *layers)
    problems += evaluation.problems
    _raise(problems, cell, "its expressions")
    facts = {axis: facet.facts for axis, facet in cell.facets.items()}
    no_numbers: list[Problem] = []
    roles = roles_from(values, evaluation.role_value, partial(locate, layers), no_numbers)
    problems += _schema_problems(values, overlaid, layers)
    problems += no_numbers
    problems += _value_problems(values, overlaid, roles, facts, layers)
    _raise(problems, cell, "its values")
    return Recipe(
        path=cell.path.name,
        title=cell.path.title,
        facets={axis: facet.name for axis, facet in cell.facets.items()},
        facts=facts,
        versions=catalog.versions.default,
        roles=roles,
        values=values,
        layers=layers,
        evidence=_evidence(_compared(catalog, cell, known, values), overlaid, forced),
        prerequisites=catalog.versions.prerequisites(_prerequisites(cell, values, roles)),
        warnings=tuple(_warnings(cell, blocks, forced, values, roles)),
        forced=bool(forced),
        node=cell.facets["accelerator"].node,
        overridden=overlaid.keys,
    )


def _refuse_always(cell: Cell, versions: Versions) -> None:
    """Raises RecipeError for what no setting of a user could repair."""
    found = [refusal for predicate in ALWAYS if (refusal := predicate(cell, versions))]
    if found:
        axes = ("path", "model", "accelerator", "fabric", "gateway", "platform")
        names = ", ".join(f"{axis} {cell.names[axis]}" for axis in axes)
        problems = tuple(Problem(message=one.sentence) for one in found)
        raise RecipeError(f"This combination cannot work: {names}.", problems=problems)


def _overlaid(cell: Cell, blocks: Sequence[Block], overrides: Overrides) -> Overlaid:
    problems: list[Problem] = []
    values = lay(blocks, problems)
    _raise(problems, cell, "its layers")
    return overlay(values, overrides, cell.path.roles)


def _raise(problems: list[Problem], cell: Cell, what: str) -> None:
    """Raises RecipeError with the problems, one for each place, by file and line."""
    if problems:
        places = {(problem.file, problem.line, problem.path): problem for problem in reversed(problems)}  # first wins
        shown = sorted(places.values(), key=lambda one: (one.file or "", one.line or 0, one.path or ""))
        count = "a mistake" if len(shown) == 1 else f"{len(shown)} mistakes"
        raise RecipeError(f"The recipe '{cell.path.name}' has {count} in {what}.", problems=tuple(shown))


def _layer(block: Block) -> Layer:
    return Layer(
        name=block.layer,
        source=block.file,
        values=block.written,
        mark=block.mark,
        when=block.condition,
    )


def _names(cell: Cell, versions: Versions) -> Mapping[str, Any]:
    """What an expression can name."""
    facts = {axis: {**facet.facts, "name": facet.name} for axis, facet in cell.facets.items()}
    return {
        **facts,
        "path": {"name": cell.path.name},
        "fit": Lazy({"tensor": lambda: _fitting_tensor(facts)}),
        "versions": versions.chosen,
    }


def _fitting_tensor(facts: Mapping[str, Mapping[str, Any]]) -> int:
    """`fit.tensor`; 1 on an accelerator whose memory is not known, such as a CPU."""
    fit = tensor_fit(facts)
    if isinstance(fit, str):
        raise ExpressionError(f"fit.tensor has no answer: {fit}")
    return fit


def _schema_problems(values: Mapping[str, Any], overlaid: Overlaid, layers: tuple[Layer, ...]) -> Iterator[Problem]:
    """What the charts' schemas refuse of the user's settings; shipped values were checked before they were shipped."""
    if overlaid.layers:
        from llmdctl.recipe.chart_schema import mistakes

        yield from mistakes(values, overlaid.keys, partial(locate, layers))


def _value_problems(
    values: Mapping[str, Any],
    overlaid: Overlaid,
    roles: tuple[RoleSpec, ...],
    facts: Mapping[str, Mapping[str, Any]],
    layers: tuple[Layer, ...],
) -> Iterator[Problem]:
    where = partial(locate, layers)
    yield from strangers(overlaid.layers, roles)
    yield from unmet(facts, values, where)
    model = facts["model"]
    heads = (model.get("config") or {}).get("num_attention_heads", 0) if serves_the_facet(facts, values) else 0
    for role in roles:
        yield from role_problems(
            role,
            where,
            attention_heads=heads,
            accelerators_per_node=facts["accelerator"].get("count_per_node") or 0,
            model=str(model.get("id")),
            accelerator=str(facts["accelerator"].get("resource")),
        )
    for name, sentence in uneven(roles, facts, values) if heads else ():
        place = ("modelserver", "roles", name, "parallelism", "tensor")
        file, line = where(place)
        yield Problem(file=file, line=line, path=json_path(place), message=sentence)


def _compared(catalog: Catalog, cell: Cell, known: Evidence, values: Mapping[str, Any]) -> Evidence:
    cited = covering(catalog.cells, cell.names)
    return compared(known, cited.run if cited else None, values, catalog.versions.chosen)


def _evidence(known: Evidence, overlaid: Overlaid, forced: list[str]) -> Evidence:
    """What is known of the cell, weakened by what the user has changed."""
    level, differences = known.level, known.differences
    if overlaid.keys:
        level = "derived"
        count = "a setting of yours" if len(overlaid.keys) == 1 else f"{len(overlaid.keys)} settings of yours"
        differences = (*differences, count)
    reason = " ".join(forced) or known.reason
    return Evidence(level="known-bad" if forced else level, link=known.link, reason=reason, differences=differences)


def _warnings(
    cell: Cell, blocks: Sequence[Block], forced: list[str], values: Mapping[str, Any], roles: tuple[RoleSpec, ...]
) -> Iterator[str]:
    yield from forced
    facts = {axis: facet.facts for axis, facet in cell.facets.items()}
    if serves_the_facet(facts, values):
        yield from too_tight(roles, facts, values)
        yield from too_greedy(roles, facts, values)
    else:
        yield (
            f"The model is not that of the facet {cell.facets['model'].name}: memory, disk and startup time are not"
            " worked out for it. A model facet of your own, given with --paths, would do that."
        )
    for block in blocks:
        if block.warning:
            yield block.warning
    for found in facts.values():
        if found.get("warning"):
            yield " ".join(str(found["warning"]).split())


def _prerequisites(cell: Cell, values: Mapping[str, Any], roles: tuple[RoleSpec, ...]) -> Iterator[str]:
    yield from cell.path.prerequisites
    for facet in cell.facets.values():
        yield from facet.prerequisites
    if any(role.workload == "LeaderWorkerSet" for role in roles):
        yield "lws"
    if (values.get("scheduler") or {}).get("objectives"):
        yield "router"
