"""Every object of every cell of the default matrix is accepted by the real API server, every proxy by the real Envoy.

Thousands of cells share objects. A subchart sees `global` and its own section alone, so each distinct pair of these is
rendered once, many in one run of Helm (the first test holds that this gives the umbrella's objects), and each distinct
object is offered once: server-side apply, dry run, strict field validation. What the same API server accepted with the
same CRDs in an earlier run is not offered again, but for a sample. What the judges found is compared with the record
from which guides/matrix.md is made; `--update-golden` writes it, and asks for everything again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from llmdctl import programs
from llmdctl.errors import LlmdctlError
from llmdctl.helm import open_renderer
from llmdctl.kube import connect
from llmdctl.lint.epp import check
from llmdctl.model.selection import Overrides
from llmdctl.recipe import compose, kept_cells
from llmdctl.sandbox import definitions, stored
from llmdctl.values import build
from tests.cells import remembered
from tests.cells.judging import NAME, NAMESPACE, Judged, batch, catalog, judge
from tests.cells.record import Record
from tests.cells.sections import fingerprint, sections
from tests.e2e.sandbox.objects import NAMESPACES

pytestmark = pytest.mark.e2e


ENVOY = Path(sys.executable).parent / "envoy"


@pytest.fixture(scope="module")
def matrix() -> Judged:
    """The whole default matrix, rendered."""
    return judge(2, remember=True, with_lint=True)


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    return Record(update=bool(request.config.getoption("--update-golden")))


def by_path(matrix: Judged, keys: Any) -> dict[str, int]:
    """How many of the objects each path has."""
    return dict(sorted(Counter(path for key in keys for path in matrix.paths_of[key]).items()))


def test_the_charts_one_by_one_give_the_umbrellas_objects(tmp_path: Path) -> None:
    renderer, forced = open_renderer(), Overrides(force=True)
    specs = [build(compose(catalog(), cell, forced), name=NAME, namespace="n") for _, cell in kept_cells(catalog())]
    apart: dict[int, list[bytes]] = {number: [] for number in range(len(specs))}
    parts = [(number, section) for number, spec in enumerate(specs) for section in sections(spec)]
    for name in sorted({section.key[0] for _, section in parts}):
        mine = [(number, section.spec) for number, section in parts if section.key[0] == name]
        found = batch(name, tmp_path).render([spec for _, spec in mine])
        for (number, _), objects in zip(mine, found, strict=True):
            assert not isinstance(objects, str), objects
            apart[number] += map(fingerprint, objects)
    for number, spec in enumerate(specs):
        assert sorted(apart[number]) == sorted(map(plain, renderer.render(spec).objects)), spec.recipe


def plain(item: Mapping[str, Any]) -> bytes:
    """The fingerprint of an object whose whole numbers are written without a point, as JSON of Go writes them."""
    return fingerprint(
        json.loads(json.dumps(item), parse_float=lambda text: int(float(text)) if float(text) % 1 == 0 else float(text))
    )


def test_every_cell_renders(matrix: Judged, record: Record) -> None:
    assert matrix.failures == []
    record.holds("combinations", dict(sorted(matrix.considered.items())))
    record.holds("helm", dict(sorted(matrix.kept.items())), by=f"Helm {open_renderer().engine.version}")


def accepted_by_the_api_server() -> Path:
    """Where it is remembered what such an API server accepted, with these CRDs."""
    crds = [*definitions.from_modules(), *definitions.written_from_documentation()]
    return remembered.accepted("api-server", [stored.entry(crds, programs.find("kube-apiserver")).key])


def test_the_api_server_accepts_every_object(matrix: Judged, plane, record: Record) -> None:
    plane.api.create(NAMESPACES.url(), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    cluster = connect(kubeconfig=plane.kubeconfig)

    def offer(packed: tuple[bytes, Mapping[str, Any]]) -> str | None:
        try:
            cluster.apply(packed[1], dry_run=True)
        except LlmdctlError as error:
            return (
                f"{packed[1]['kind']}/{packed[1]['metadata']['name']}: {error.message} ({by_path(matrix, [packed[0]])})"
            )
        return None

    place = accepted_by_the_api_server()
    asked = set(matrix.objects) if record.update else remembered.doubtful(place, matrix.objects)
    assert asked
    with ThreadPoolExecutor(4) as pool:
        offered = (document for document in matrix.documents() if document[0] in asked)
        failures = [failure for failure in pool.map(offer, offered) if failure]
    kinds = Counter(item["kind"] for _, item in matrix.documents())
    print(f"{len(matrix.objects)} distinct objects {dict(kinds)}, {len(asked)} of them offered")
    assert failures == []
    remembered.keep(place, frozenset(matrix.objects))
    assert {"Deployment", "LeaderWorkerSet", "InferencePool", "HTTPRoute", "ScaledObject", "GCPBackendPolicy"} <= set(
        kinds
    )
    record.holds("api-server", by_path(matrix, matrix.objects), by=f"kube-apiserver {cluster.version()}")


def test_envoy_accepts_every_proxy(matrix: Judged, tmp_path: Path, record: Record) -> None:
    found = {
        key: item["data"]["envoy.yaml"] for key, item in matrix.documents() if "envoy.yaml" in (item.get("data") or {})
    }
    distinct = sorted(set(found.values()))

    def validate(numbered: tuple[int, str]) -> str:
        file = tmp_path / f"{numbered[0]}.yaml"
        file.write_text(numbered[1], encoding="utf-8")
        command = [
            str(ENVOY),
            "--mode",
            "validate",
            "-c",
            str(file),
            "--log-level",
            "error",
            "--base-id",
            str(numbered[0] + 1),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        return done.stderr if done.returncode else ""

    with ThreadPoolExecutor(2) as pool:
        assert [said for said in pool.map(validate, enumerate(distinct)) if said] == []
    record.holds("envoy", by_path(matrix, found), by="Envoy 1.40.0, --mode validate")


def test_lint_finds_nothing(matrix: Judged, record: Record) -> None:
    """In the cells that differ from a path's own model, accelerator and engine in one of the three at most."""
    found = matrix.linted
    assert {path: list(linted.found) for path, linted in found.items() if linted.found} == {}
    counts = {path: linted.cells for path, linted in found.items()}
    record.holds("lint", counts, by="llmdctl lint, no error, no warning")


def test_every_configuration_of_the_endpoint_picker_would_load(matrix: Judged, record: Record) -> None:
    """By the verdicts observed of built pickers; tests/e2e/epp starts the real one with each path's configuration."""
    found = {
        key: item["data"]["epp-config.yaml"]
        for key, item in matrix.documents()
        if "epp-config.yaml" in (item.get("data") or {})
    }
    wrong = {text: verdict.remarks for text in set(found.values()) if not (verdict := check(text, "0.9")).accepted}
    assert wrong == {}
    record.holds("epp", by_path(matrix, found), by="verdicts observed of the endpoint picker 0.9")
