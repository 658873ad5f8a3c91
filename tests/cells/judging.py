"""Composes, builds and renders the whole default matrix, on as many processes as asked for.

A process takes the cells of some models, of every path: cells of two models share no model server, so little is
rendered twice. A pool is made by spawning: the embedded Helm brings a Go runtime, which does not survive a fork.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from llmdctl import assets
from llmdctl.helm import open_renderer
from llmdctl.model.release import ReleaseSpec
from llmdctl.recipe import Catalog, MatrixCell
from llmdctl.recipe.matrix import candidates, judged
from llmdctl.values import build, contradictions
from tests.cells import remembered
from tests.cells.batch import Batch
from tests.cells.linting import Linted, is_choice, lint
from tests.cells.remembered import Key, Objects
from tests.cells.sections import chart_of, fingerprint, sections

NAME, NAMESPACE = "cell", "cells"
GC_PERCENT = "400"  # Go's collector runs less often: rendering then takes about two thirds of the time


@dataclass
class Judged:
    """What became of the cells: counts by path, and each distinct object once."""

    considered: Counter[str] = field(default_factory=Counter)  # path -> combinations
    kept: Counter[str] = field(default_factory=Counter)  # path -> cells
    rendered: int = 0  # distinct sections
    failures: list[str] = field(default_factory=list)  # cells that compose and do not render
    objects: dict[bytes, bytes] = field(default_factory=dict)  # fingerprint -> packed object
    paths_of: dict[bytes, set[str]] = field(default_factory=dict)  # fingerprint -> paths that have it
    linted: dict[str, Linted] = field(default_factory=dict)  # path -> what lint says, where it was asked

    def add(self, other: Judged) -> None:
        """Take over what another process has found."""
        self.considered += other.considered
        self.kept += other.kept
        self.rendered += other.rendered
        self.failures += other.failures
        self.objects |= other.objects
        for key, paths in other.paths_of.items():
            self.paths_of.setdefault(key, set()).update(paths)
        for path, linted in other.linted.items():
            self.linted.setdefault(path, Linted()).add(linted)

    def documents(self) -> Iterator[tuple[bytes, Any]]:
        """Each distinct object with its fingerprint."""
        for key, packed in self.objects.items():
            yield key, json.loads(zlib.decompress(packed))


def judge(
    processes: int = 2,
    paths: Sequence[str] = (),
    *,
    remember: bool = False,
    forget: bool = False,
    with_lint: bool = False,
) -> Judged:
    """Every cell of the default matrix of `paths` (all, when none is named): composed, built and rendered.

    With `remember`, what the same charts rendered of the same values in an earlier run is not rendered again; `forget`
    drops that first. `with_lint` lints the cells that `linting.is_choice` picks.
    """
    if forget:
        remembered.forget()
    loaded = catalog()
    chosen = tuple(paths) or loaded.names("path")
    work = [((model,), chosen, remember, with_lint) for model in loaded.names("model")]
    result = Judged()
    if processes == 1:
        for job in work:
            result.add(judge_models(*job))
        return result
    os.environ.setdefault("GOGC", GC_PERCENT)  # for the processes: Go reads it when it starts
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        processes, mp_context=context, initializer=gc.disable
    ) as pool:  # none makes cycles to speak of
        for found in pool.map(judge_models, *zip(*work, strict=True)):
            result.add(found)
    return result


def judge_models(
    models: Sequence[str], paths: Sequence[str], remember: bool = False, with_lint: bool = False
) -> Judged:
    """The cells of some models on some paths."""
    result = Judged()
    wanted: dict[str, dict[Key, ReleaseSpec]] = {}  # section -> its distinct releases
    owners: dict[Key, list[tuple[str, Mapping[str, str]]]] = {}  # section -> the cells that have it
    choices: list[tuple[MatrixCell, list[Key]]] = []  # a cell to lint, with its sections
    for cell in cells(models, paths):
        result.considered[cell.path] += 1
        if not cell.recipe:
            continue
        result.kept[cell.path] += 1
        parts = list(sections(build(cell.recipe, name=NAME, namespace=NAMESPACE)))
        if with_lint and is_choice(cell, catalog()):
            choices.append((cell, [section.key for section in parts]))
        for section in parts:
            wanted.setdefault(section.key[0], {}).setdefault(section.key, section.spec)
            owners.setdefault(section.key, []).append((cell.path, cell.names))
    result.rendered = len(owners)
    found: dict[Key, Objects] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, specs in wanted.items():
            found |= rendered(name, specs, Path(folder), "-".join(models), remember=remember)
    for key, objects in found.items():
        _settle(result, objects, owners[key])
    result.linted = lint(choices, found)
    return result


def rendered(
    section: str, specs: Mapping[Key, ReleaseSpec], folder: Path, group: str, *, remember: bool
) -> dict[Key, Objects]:
    """The objects of each distinct section of one chart."""
    if not remember:
        return dict(zip(specs, batch(section, folder).render(list(specs.values())), strict=True))
    file = remembered.place(section, assets.charts() / chart_of(section), group, open_renderer().engine.version)
    known = remembered.read(file)
    new = [key for key in specs if key not in known]
    if new:
        known |= zip(new, batch(section, folder).render([specs[key] for key in new]), strict=True)
    if new or len(known) > len(specs):
        known = {key: known[key] for key in specs}
        remembered.write(file, known)
    return known


def batch(section: str, folder: Path) -> Batch:
    """The chart behind a section, ready for many releases."""
    return Batch.make(assets.charts() / chart_of(section), folder, open_renderer())


def _settle(result: Judged, objects: Objects, owners: list[tuple[str, Mapping[str, str]]]) -> None:
    """Note the objects of a section, or that its cells do not render."""
    if isinstance(objects, str):
        result.failures += [f"{dict(names)}: {objects}" for _, names in owners]
        return
    paths = {path for path, _ in owners}
    for item in objects:
        result.paths_of.setdefault(_keep(result, item), set()).update(paths)


def cells(models: Sequence[str], paths: Sequence[str]) -> Iterator[MatrixCell]:
    """The cells of some models on some paths, kept or left out."""
    for path in paths:
        for names in combinations(path):
            if names["model"] in models:
                yield judged(catalog(), names, contradictions)


@cache
def combinations(path: str) -> tuple[Mapping[str, str], ...]:
    """Every combination of the default matrix of a path."""
    return tuple(candidates(catalog(), catalog().path(path)))


@cache
def catalog() -> Catalog:
    """The shipped catalogue, read once a process."""
    return Catalog.load([assets.paths()])


def _keep(result: Judged, item: Mapping[str, object]) -> bytes:
    key = fingerprint(item)
    if key not in result.objects:
        result.objects[key] = zlib.compress(json.dumps(item).encode(), 1)
    return key
