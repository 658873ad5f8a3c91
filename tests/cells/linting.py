"""Lints what single choices of a path render: the cells close to its own model, accelerator and engine."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from llmdctl import assets
from llmdctl.helm import open_renderer
from llmdctl.lint import lint_objects
from llmdctl.model.finding import Severity
from llmdctl.model.release import ReleaseSpec
from llmdctl.recipe import MatrixCell
from llmdctl.recipe.matrix import GRID
from llmdctl.values import build
from tests.cells import remembered
from tests.cells.batch import Batch
from tests.cells.judging import NAME, NAMESPACE, batch, catalog, cells
from tests.cells.sections import Section, chart_of, sections


@dataclass
class Linted:
    """What became of the cells of one path."""

    cells: int = 0
    found: dict[str, None] = field(default_factory=dict)  # each thing once


def lint(processes: int = 2) -> dict[str, Linted]:
    """Path -> its cells and what was found in them."""
    models = catalog().names("model")
    context = multiprocessing.get_context("spawn")
    result: dict[str, Linted] = {path: Linted() for path in catalog().names("path")}
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        for part in pool.map(lint_model, models):
            for path, linted in part.items():
                result[path].cells += linted.cells
                result[path].found |= linted.found
    return result


def lint_model(model: str) -> dict[str, Linted]:
    """The cells with one model, of every path."""
    result: dict[str, Linted] = {}
    with tempfile.TemporaryDirectory() as folder:
        known = _Known(model, Path(folder))
        for cell in cells((model,), catalog().names("path")):
            if cell.recipe and _is_choice(cell):
                _lint(result.setdefault(cell.path, Linted()), cell, known)
    return result


def _lint(linted: Linted, cell: MatrixCell, known: _Known) -> None:
    linted.cells += 1
    assert cell.recipe is not None
    spec = build(cell.recipe, name=NAME, namespace=NAMESPACE)
    objects = [item for section in sections(spec) for item in known.objects(section)]
    for finding in lint_objects(objects).findings:
        if finding.severity in (Severity.ERROR, Severity.WARNING):
            linted.found[f"{finding.code} {finding.severity}: {finding.message} ({dict(cell.names)})"] = None


class _Known:
    """The objects of sections: those that the whole matrix rendered before, and others when they are asked for."""

    def __init__(self, model: str, folder: Path) -> None:
        self._model, self._folder = model, folder
        self._read: dict[str, dict[remembered.Key, remembered.Objects]] = {}
        self._batches: dict[str, Batch] = {}

    def objects(self, section: Section) -> list[dict[str, Any]]:
        """What one section renders."""
        name = section.key[0]
        if name not in self._read:
            self._read[name] = remembered.read(_place(name, self._model))
        if section.key not in self._read[name]:
            self._read[name][section.key] = self._render(name, section.spec)
        found = self._read[name][section.key]
        assert not isinstance(found, str), found
        return found

    def _render(self, name: str, spec: ReleaseSpec) -> remembered.Objects:
        if name not in self._batches:
            self._batches[name] = batch(name, self._folder)
        return self._batches[name].render([spec])[0]


@cache
def _place(section: str, model: str) -> Path:
    return remembered.place(section, assets.charts() / chart_of(section), model, open_renderer().engine.version)


def _is_choice(cell: MatrixCell) -> bool:
    """Whether only one of model, accelerator and engine differs from the path's own."""
    defaults: Mapping[str, str] = catalog().path(cell.path).defaults
    return sum(cell.names[axis] != defaults[axis] for axis in GRID) <= 1
