"""Composes, builds and renders the whole default matrix, on as many processes as asked for.

A process takes the cells of some models, of every path: cells of two models share no model server, so little is
rendered twice. A pool is made by spawning: the embedded Helm brings a Go runtime, which does not survive a fork.
"""

from __future__ import annotations

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
from tests.cells.batch import Batch
from tests.cells.sections import chart_of, fingerprint, sections

Key = tuple[str, bytes]

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

    def add(self, other: Judged) -> None:
        """Take over what another process has found."""
        self.considered += other.considered
        self.kept += other.kept
        self.rendered += other.rendered
        self.failures += other.failures
        self.objects |= other.objects
        for key, paths in other.paths_of.items():
            self.paths_of.setdefault(key, set()).update(paths)

    def documents(self) -> Iterator[Mapping[str, object]]:
        """Each distinct object."""
        for packed in self.objects.values():
            yield json.loads(zlib.decompress(packed))


def judge(processes: int = 2, paths: Sequence[str] = ()) -> Judged:
    """Every cell of the default matrix of `paths` (all, when none is named): composed, built and rendered."""
    loaded = catalog()
    chosen = tuple(paths) or loaded.names("path")
    work = [((model,), chosen) for model in loaded.names("model")]
    result = Judged()
    if processes == 1:
        for models, names in work:
            result.add(judge_models(models, names))
        return result
    os.environ.setdefault("GOGC", GC_PERCENT)  # for the processes: Go reads it when it starts
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        for found in pool.map(judge_models, *zip(*work, strict=True)):
            result.add(found)
    return result


def judge_models(models: Sequence[str], paths: Sequence[str]) -> Judged:
    """The cells of some models on some paths."""
    result = Judged()
    wanted: dict[str, dict[Key, ReleaseSpec]] = {}  # section -> its distinct releases
    owners: dict[Key, list[tuple[str, Mapping[str, str]]]] = {}  # section -> the cells that have it
    for cell in cells(models, paths):
        result.considered[cell.path] += 1
        if not cell.recipe:
            continue
        result.kept[cell.path] += 1
        spec = build(cell.recipe, name=NAME, namespace=NAMESPACE)
        for section in sections(spec):
            wanted.setdefault(section.key[0], {}).setdefault(section.key, section.spec)
            owners.setdefault(section.key, []).append((cell.path, cell.names))
    result.rendered = len(owners)
    with tempfile.TemporaryDirectory() as folder:
        for name, specs in wanted.items():
            found = batch(name, Path(folder)).render(list(specs.values()))
            for key, objects in zip(specs, found, strict=True):
                _settle(result, objects, owners[key])
    return result


def batch(section: str, folder: Path) -> Batch:
    """The chart behind a section, ready for many releases."""
    return Batch.make(assets.charts() / chart_of(section), folder, open_renderer())


def _settle(result: Judged, objects: list[dict[str, Any]] | str, owners: list[tuple[str, Mapping[str, str]]]) -> None:
    """Note the objects of a section, or that its cells do not render."""
    if isinstance(objects, str):
        result.failures += [f"{dict(names)}: {objects}" for _, names in owners]
        return
    paths = {path for path, _ in owners}
    for item in objects:
        result.paths_of.setdefault(_keep(result, item), set()).update(paths)


def cells(models: Sequence[str], paths: Sequence[str]) -> Iterator[MatrixCell]:
    """The cells of some models on some paths, kept or left out."""
    loaded = catalog()
    for path in paths:
        for names in candidates(loaded, loaded.path(path)):
            if names["model"] in models:
                yield judged(loaded, names, contradictions)


@cache
def catalog() -> Catalog:
    """The shipped catalogue, read once a process."""
    return Catalog.load([assets.paths()])


def _keep(result: Judged, item: Mapping[str, object]) -> bytes:
    key = fingerprint(item)
    if key not in result.objects:
        result.objects[key] = zlib.compress(json.dumps(item).encode(), 1)
    return key
