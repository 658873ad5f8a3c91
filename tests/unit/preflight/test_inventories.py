"""Two recipes on clusters of six platforms: what a report says, read once by a person and then kept."""

from __future__ import annotations

from functools import cache

import pytest

from llmdctl.model.check import Outcome, PreflightReport
from llmdctl.model.inventory_file import dump, load
from llmdctl.preflight import preflight
from llmdctl.preflight.case import Case
from tests.unit.preflight.cases import INVENTORIES, TESTS, accelerators, frozen, rendered

GOLDEN = TESTS / "golden" / "preflight"
SHAPES = {
    "aks": {"accelerator": "h200", "fabric": "rdma-ib"},
    "coreweave": {"accelerator": "h200", "fabric": "rdma-ib"},
    "eks": {"accelerator": "h200", "fabric": "efa"},
    "gke": {"accelerator": "h200", "fabric": "gke-multi-network"},
    "oci": {"accelerator": "h200", "fabric": "oci-sriov"},
    "openshift": {"accelerator": "h100", "fabric": "openshift-roce"},
}
OTHER_FABRIC = {("gke", "pd-disaggregation"): "gke-dra"}  # a GPU and its card each, where a pod has not the whole node
PATHS = ("pd-disaggregation", "wide-ep")
CELLS = [(shape, path) for shape in SHAPES for path in PATHS]


@cache
def case(shape: str, path: str) -> Case:
    chosen = {"path": path, "platform": shape, **SHAPES[shape]}
    chosen["fabric"] = OTHER_FABRIC.get((shape, path), chosen["fabric"])
    recipe, objects, linted = rendered(path, "llm-d", frozen(chosen))
    return Case(
        inventory=load(INVENTORIES / f"{shape}.yaml"), objects=objects, recipe=recipe, release=path, namespace="llm-d",
        accelerators=accelerators(), linted=linted,
    )  # fmt: skip


@cache
def report(shape: str, path: str) -> PreflightReport:
    return preflight(case(shape, path))


@pytest.mark.parametrize(("shape", "path"), CELLS)
def test_a_report_says_what_was_read_by_a_person(shape: str, path: str, golden) -> None:
    golden(GOLDEN / f"{shape}-{path}.txt", summary(report(shape, path)))


@pytest.mark.parametrize(("shape", "path"), CELLS)
def test_whatever_is_wrong_can_be_acted_on(shape: str, path: str) -> None:
    found = report(shape, path)
    assert [each.message for each in found.results if "This is a bug" in each.message] == []
    for result in (*found.of(Outcome.FAIL), *found.of(Outcome.WARN)):
        assert result.remedy, f"{result.code} says nothing to do: {result.message}"
        assert any(letter.isdigit() for letter in result.message) or result.evidence, f"{result.code} shows nothing"


@pytest.mark.parametrize("shape", SHAPES)
def test_the_platform_is_told_without_being_stated(shape: str) -> None:
    assert report(shape, "wide-ep").platform.name == shape


@pytest.mark.parametrize("shape", SHAPES)
def test_an_inventory_is_in_the_form_that_llmdctl_writes(shape: str) -> None:
    file = INVENTORIES / f"{shape}.yaml"
    assert dump(load(file)) == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("shape", SHAPES)
def test_every_node_names_where_its_shape_comes_from(shape: str) -> None:
    nodes = load(INVENTORIES / f"{shape}.yaml").section("nodes").items
    assert 6 <= len(nodes) <= 20
    assert [each["metadata"]["name"] for each in nodes if "https://" not in provenance(each)] == []


def provenance(node) -> str:
    return node["metadata"]["annotations"]["fixture.llmdctl.dev/provenance"]


def summary(found: PreflightReport) -> str:
    """Where everything goes, what needs attention in words, and the codes of the rest."""
    lines = [f"platform {found.platform.name} ({found.platform.confidence})"]
    lines += [
        f"{each.role}: {each.replicas_placeable} of {each.replicas_wanted} replicas placeable"
        for each in found.placement.roles
    ]
    lines += [f"placement {found.placement.outcome.value}: {found.placement.reason}"]
    lines += [f"change: {each}" for each in found.placement.changes]
    for outcome in (Outcome.FAIL, Outcome.WARN, Outcome.UNKNOWN):
        lines += ["", outcome.value, *(f"  {each.code} {each.message}" for each in found.of(outcome))]
    for outcome in (Outcome.PASS, Outcome.SKIP):
        lines += ["", outcome.value, *(f"  {each.code}" for each in found.of(outcome))]
    return "\n".join(lines) + "\n"
