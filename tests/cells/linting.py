"""Lints what single choices of a path render: the cells close to its own model, accelerator and engine."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor

from llmdctl.helm import open_renderer
from llmdctl.lint import lint_objects
from llmdctl.model.finding import Severity
from llmdctl.recipe.matrix import GRID, judged
from llmdctl.values import build, contradictions
from tests.cells.judging import NAME, NAMESPACE, catalog, combinations


def lint(processes: int = 2) -> dict[str, tuple[int, list[str]]]:
    """Path -> how many cells were linted, and what was found in them."""
    paths = catalog().names("path")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        return dict(zip(paths, pool.map(lint_path, paths), strict=True))


def lint_path(path: str) -> tuple[int, list[str]]:
    """How many cells of a path were linted, and what was found in them, each thing once."""
    renderer, linted, found = open_renderer(), 0, dict[str, None]()
    defaults = catalog().path(path).defaults
    for names in combinations(path):
        if not _is_choice(names, defaults):
            continue
        cell = judged(catalog(), names, contradictions)
        if not cell.recipe:
            continue
        linted += 1
        objects = renderer.render(build(cell.recipe, name=NAME, namespace=NAMESPACE)).objects
        for finding in lint_objects(objects).findings:
            if finding.severity not in (Severity.ERROR, Severity.WARNING):
                continue
            found[f"{finding.code} {finding.severity}: {finding.message} ({dict(names)})"] = None
    return linted, list(found)


def _is_choice(names: Mapping[str, str], defaults: Mapping[str, str]) -> bool:
    """Whether only one of model, accelerator and engine differs from the path's own."""
    return sum(names[axis] != defaults[axis] for axis in GRID) <= 1
