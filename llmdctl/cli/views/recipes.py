"""Recipes for people: a list, a page, and where values came from."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmdctl.cli import results
from llmdctl.model.selection import AXES

if TYPE_CHECKING:
    from llmdctl.model.recipe import Origin
    from llmdctl.recipe import Catalog, WellLitPath

WIDTH = 78  # of prose: readable at 80 columns


def cell_counts(catalog: Catalog, path: str) -> dict[str, int]:
    """Evidence level -> how many entries of evidence.yaml this path has of it, as they hold for our own cells."""
    from llmdctl.model.selection import Selection
    from llmdctl.recipe import compose
    from llmdctl.recipe.evidence import PROVEN

    levels: Counter[str] = Counter()
    for entry in catalog.cells:
        if path not in entry.match.get("path", ()):
            continue
        level = entry.evidence.level
        if level in PROVEN:  # holds only where our cell equals the cited run
            level = compose(catalog, Selection(**{**entry.first(), "path": path})).evidence.level
        levels[level] += 1
    return dict(levels)


def summary(catalog: Catalog, path: WellLitPath) -> results.RecipeSummary:
    """One line of the list, with the evidence of the default cell and of all stated cells."""
    from llmdctl.model.selection import Selection
    from llmdctl.recipe import compose

    return results.RecipeSummary(
        name=path.name,
        title=path.title,
        goal=path.goal,
        defaults=dict(path.defaults),
        evidence=compose(catalog, Selection(path=path.name)).evidence.level,
        cells=cell_counts(catalog, path.name),
        file=path.file,
    )


def listing(rows: Sequence[results.RecipeSummary]) -> str:
    """`recipe list`: a line of names for each path, and its goal below."""
    wide = max((len(row.name) for row in rows), default=0)
    lines = [f"{'NAME':<{wide}}  EVIDENCE     DEFAULT CELL"]
    for row in rows:
        defaults = row.defaults
        cell = f"{defaults['model']} on {defaults['accelerator']}, {defaults['engine']}"
        lines.append(f"{row.name:<{wide}}  {row.evidence:<11}  {cell}")
        lines += textwrap.wrap(row.goal, WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def detail(catalog: Catalog, path: WellLitPath) -> results.Recipe:
    """What `recipe show` answers."""
    return results.Recipe(
        name=path.name,
        title=path.title,
        goal=path.goal,
        use_when=tuple(path.use_when),
        avoid_when=tuple(path.avoid_when),
        roles=tuple(path.roles),
        defaults=dict(path.defaults),
        facets={axis: path.offers.get(axis) or catalog.names(axis) for axis in AXES},
        file=path.file,
    )


def page(recipe: results.Recipe) -> str:
    """`recipe show` as a page of text."""
    lines = [f"{recipe.name}: {recipe.title}", "", *textwrap.wrap(recipe.goal, WIDTH), "", "Use it when"]
    lines += _bullets(recipe.use_when)
    lines += ["", "Use another when"]
    lines += _bullets(recipe.avoid_when)
    lines += ["", f"Roles: {', '.join(recipe.roles)}", "", "Facets (the default first)"]
    for axis, names in recipe.facets.items():
        default = recipe.defaults[axis]
        rest = [name for name in names if name != default]
        option = f"--{axis.replace('_', '-')}"
        lines += textwrap.wrap(
            f"{option:<15} {', '.join([default, *rest])}", WIDTH, initial_indent="  ", subsequent_indent=" " * 18
        )
    lines += ["", f"Install it:  llmdctl install {recipe.name}"]
    return "\n".join(lines)


def _bullets(sentences: Sequence[str]) -> list[str]:
    return [
        line
        for sentence in sentences
        for line in textwrap.wrap(sentence, WIDTH, initial_indent="  - ", subsequent_indent="    ")
    ]


def explanation(values: Sequence[Origin]) -> str:
    """`recipe explain`: the value, and under it each layer with file and line."""
    lines: list[str] = []
    for value in values:
        lines.append(f"{value.key} = {_shown(value.value)}")
        lines += [f"    {layer.layer:<16} {_shown(layer.value):<24} {layer.place}".rstrip() for layer in value.layers]
    return "\n".join(lines) if lines else "No value below that key."


def _shown(value: object) -> str:
    return "null" if value is None else json.dumps(value, ensure_ascii=False)


def below(key: str, prefix: str) -> bool:
    """Whether `key` is `prefix` or lies under it; everything lies under an empty prefix."""
    return not prefix or key == prefix or key.startswith((f"{prefix}.", f"{prefix}["))
