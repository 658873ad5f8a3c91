"""Every object that any combination of recipe and facets renders is accepted by the real API server.

Thousands of combinations share few distinct objects. A subchart sees `global` and its own section alone, so each
distinct pair of these is rendered once, by its own chart (the first test holds that this gives the umbrella's objects),
and each distinct object is offered once: server-side apply, dry run, strict field validation.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import yaml

from llmdctl import assets
from llmdctl.errors import LlmdctlError, RecipeError
from llmdctl.helm import open_renderer
from llmdctl.kube import connect
from llmdctl.model.release import ReleaseSpec
from llmdctl.model.selection import AXES, Overrides, Selection
from llmdctl.recipe import Catalog, compose, kept_cells
from llmdctl.values import build

pytestmark = pytest.mark.e2e

SECTIONS = ("gateway", "scheduler", "modelserver", "kvstore", "autoscaling", "monitoring")
NAME = "admission"
DEFAULTS = yaml.safe_load((assets.charts() / "llmd" / "values.yaml").read_text())


def combinations(catalog: Catalog, path: str) -> Iterator[Selection]:
    """One path with every facet of every axis."""
    for facets in product(*(catalog.names(axis) for axis in AXES)):
        yield Selection(path=path, **dict(zip(AXES, facets, strict=True)))


def fingerprint(value: Any) -> bytes:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).digest()


def sections(spec: ReleaseSpec) -> Iterator[ReleaseSpec]:
    """The release as one release of each subchart that is on."""
    for name in SECTIONS:
        values = spec.values.get(name) or {}
        if values.get("enabled", DEFAULTS[name]["enabled"]):
            yield replace(
                spec, chart=assets.charts() / name, values={**values, "global": spec.values.get("global") or {}}
            )


def distinct_sections(path: str, namespace: str, refused: Counter[str]) -> Iterator[ReleaseSpec]:
    """Each distinct section of all combinations of a path; `refused` counts those that do not compose, by reason."""
    catalog = Catalog.load([assets.paths()])
    seen: set[tuple[str, bytes]] = set()
    for selection in combinations(catalog, path):
        try:
            spec = build(compose(catalog, selection, Overrides()), name=NAME, namespace=namespace)
        except RecipeError as error:
            refused[error.problems[0].message] += 1
            continue
        for section in sections(spec):
            key = (section.chart.name, fingerprint(section.values))
            if key not in seen:
                seen.add(key)
                yield section


def distinct_objects(path: str, namespace: str, refused: Counter[str]) -> dict[bytes, Any]:
    renderer = open_renderer()
    found: dict[bytes, Any] = {}
    for section in distinct_sections(path, namespace, refused):
        for item in renderer.render(section).objects:
            found.setdefault(fingerprint(item), item)
    return found


def test_the_charts_one_by_one_give_the_umbrellas_objects() -> None:
    catalog, renderer = Catalog.load([assets.paths()]), open_renderer()
    for _, selection in kept_cells(catalog):
        spec = build(compose(catalog, selection, Overrides()), name=NAME, namespace="n")
        apart = [item for section in sections(spec) for item in renderer.render(section).objects]
        assert sorted(map(fingerprint, apart)) == sorted(map(fingerprint, renderer.render(spec).objects))


@pytest.mark.parametrize("path", Catalog.load([assets.paths()]).names("path"))
def test_every_object_of_every_combination_is_accepted(path: str, plane) -> None:
    namespace, refused = plane.namespace("admission"), Counter()
    objects = distinct_objects(path, namespace, refused)
    cluster = connect(kubeconfig=plane.kubeconfig)

    def offer(item: Any) -> str | None:
        try:
            cluster.apply(item, dry_run=True)
        except LlmdctlError as error:
            return f"{item['kind']}/{item['metadata']['name']}: {error.message}"
        return None

    with ThreadPoolExecutor(4) as pool:
        failures = [failure for failure in pool.map(offer, objects.values()) if failure]
    kinds = Counter(item["kind"] for item in objects.values())
    print(f"{path}: {sum(refused.values())} combinations refused, {len(objects)} distinct objects {dict(kinds)}")
    assert failures == []
    assert {"Deployment", "InferencePool", "HTTPRoute", "ScaledObject", "GCPBackendPolicy"} <= set(kinds)
