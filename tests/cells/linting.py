"""Lints what single choices of a path render: the cells close to its own model, accelerator and engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from llmdctl.lint import lint_objects
from llmdctl.model.finding import Severity
from llmdctl.recipe import Catalog, MatrixCell
from llmdctl.recipe.matrix import GRID
from tests.cells.remembered import Key, Objects


@dataclass
class Linted:
    """What became of the cells of one path."""

    cells: int = 0
    found: dict[str, None] = field(default_factory=dict)  # each thing once

    def add(self, other: Linted) -> None:
        """Take over what another process has found."""
        self.cells += other.cells
        self.found |= other.found


def lint(cells: Iterable[tuple[MatrixCell, list[Key]]], rendered: Mapping[Key, Objects]) -> dict[str, Linted]:
    """Path -> its cells and what was found in them. A cell comes with the keys of its sections in `rendered`."""
    result: dict[str, Linted] = {}
    for cell, keys in cells:
        parts = [rendered[key] for key in keys]
        if any(isinstance(part, str) for part in parts):
            continue  # it does not render, which is said elsewhere
        linted = result.setdefault(cell.path, Linted())
        linted.cells += 1
        for finding in lint_objects([item for part in parts for item in part]).findings:
            if finding.severity in (Severity.ERROR, Severity.WARNING):
                linted.found[f"{finding.code} {finding.severity}: {finding.message} ({dict(cell.names)})"] = None
    return result


def is_choice(cell: MatrixCell, catalog: Catalog) -> bool:
    """Whether only one of model, accelerator and engine differs from the path's own."""
    defaults: Mapping[str, str] = catalog.path(cell.path).defaults
    return sum(cell.names[axis] != defaults[axis] for axis in GRID) <= 1
