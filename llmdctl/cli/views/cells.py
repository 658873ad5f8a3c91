"""The default matrix for people: each cell with its evidence, and how often each reason left one out."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from llmdctl.cli import results
from llmdctl.model.selection import AXES

if TYPE_CHECKING:
    from llmdctl.recipe import Catalog, MatrixCell

WIDTH = 78  # readable at 80 columns
GRID = ("model", "accelerator", "engine")


def answer(catalog: Catalog, found: Iterable[MatrixCell], *, left_out: bool) -> results.RecipeCells:
    """What `recipe list --cells` answers; `left_out` names each refused combination too."""
    kept: list[results.RecipeCell] = []
    refused: list[results.RefusedCell] = []
    for cell in found:
        facets = {axis: cell.names[axis] for axis in AXES}
        if cell.recipe:
            kept.append(results.RecipeCell(recipe=cell.path, facets=facets, evidence=cell.recipe.evidence))
        elif cell.refusal:
            refusal = cell.refusal
            refused.append(
                results.RefusedCell(
                    recipe=cell.path,
                    facets=facets,
                    kind=refusal.kind,
                    reason=refusal.reason,
                    detail=refusal.sentence,
                )
            )
    return results.RecipeCells(
        considered=len(kept) + len(refused),
        kept=len(kept),
        cells=tuple(kept),
        left_out=tuple(_counted(refused)),
        refused=tuple(refused) if left_out else (),
        defaults={name: dict(catalog.path(name).defaults) for name in {cell.recipe for cell in kept}},
    )


def _counted(refused: Sequence[results.RefusedCell]) -> Iterator[results.LeftOut]:
    """Each reason with its count, the commonest first."""

    def key(cell: results.RefusedCell) -> tuple[str, str]:
        return cell.kind, cell.reason

    groups = [(kind, reason, list(cells)) for (kind, reason), cells in groupby(sorted(refused, key=key), key=key)]
    for kind, reason, cells in sorted(groups, key=lambda group: (-len(group[2]), group[0], group[1])):
        paths = tuple(sorted({cell.recipe for cell in cells}))
        yield results.LeftOut(kind=kind, reason=reason, count=len(cells), recipes=paths)


def page(found: results.RecipeCells) -> str:
    """The answer as lines of at most 80 columns."""
    lines: list[str] = []
    for path, cells in groupby(found.cells, key=lambda cell: cell.recipe):
        listed = list(cells)
        lines += [f"{path}: {len(listed)} cells"]
        lines += [line for cell in listed for line in _line(cell, found.defaults[path])]
        lines.append("")
    lines.append(f"{found.kept} cells of {found.considered} combinations. Left out, by reason:")
    for reason in found.left_out:
        head = f"{reason.count:>7}  {reason.kind:<12}"
        lines += textwrap.wrap(reason.reason, WIDTH, initial_indent=f"{head} ", subsequent_indent=" " * 22)
    for cell in found.refused:
        lines += ["", " ".join((cell.recipe, *_choices(cell.facets, AXES)))]
        lines += textwrap.wrap(f"{cell.kind}: {cell.detail}", WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _line(cell: results.RecipeCell, defaults: Mapping[str, str]) -> Iterator[str]:
    model, accelerator, engine = (cell.facets[axis] for axis in GRID)
    yield f"  {model:<30} {accelerator:<16} {engine:<8} {cell.evidence.level}"
    beside = [axis for axis in AXES if axis not in GRID and cell.facets[axis] != defaults[axis]]
    if beside:
        text = " ".join(_choices(cell.facets, beside))
        yield from textwrap.wrap(
            text, WIDTH, initial_indent="      with ", subsequent_indent=" " * 11, break_on_hyphens=False
        )


def _choices(facets: Mapping[str, str], axes: Iterable[str]) -> list[str]:
    return [f"{axis.replace('_', '-')}={facets[axis]}" for axis in axes]
