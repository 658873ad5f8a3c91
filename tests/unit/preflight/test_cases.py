"""Each check against what was captured or is described somewhere, and against a cluster that does not tell."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest

from llmdctl.model.check import Outcome
from llmdctl.model.inventory import Section
from llmdctl.preflight.checks import CHECKS
from llmdctl.preflight.crd import Crd, judged_groups
from llmdctl.preflight.judging import judge
from tests.unit.preflight.cases import Example, examples

EXAMPLES = examples()
GOOD = [each for each in EXAMPLES if each.written["expect"] == "pass"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.id)
def test_a_case_comes_to_what_it_expects(example: Example) -> None:
    (result,) = judge(example.case, [CHECKS[example.code]])
    assert result.outcome.value == example.written["expect"], result.message
    assert example.written["message"] in result.message
    assert "This is a bug" not in result.message
    assert (result.outcome is not Outcome.FAIL) or result.remedy, "a failure without a way out"


def test_every_check_has_a_case_for_each_way_it_can_end() -> None:
    lacking = {}
    for code, check in CHECKS.items():
        ends = {each.written["expect"] for each in EXAMPLES if each.code == code}
        bad = {"fail", "warn"} & ends if check.severity.value != "note" else {"pass"} & ends
        if not bad or "pass" not in ends:
            lacking[code] = sorted(ends)
    assert lacking == {}


def test_what_makes_a_check_fail_has_a_source() -> None:
    bad = [each for each in EXAMPLES if each.written["expect"] in ("fail", "warn")]
    assert [each.id for each in bad if not each.written.get("source")] == []


def as_read(crds: Section, groups: Collection[str]) -> Section:
    """CRDs as they are read for a recipe: beyond some groups nothing but their metadata."""
    named = ("apiVersion", "kind", "metadata")
    items = (
        item if Crd(item=item).name.partition(".")[2] in groups else {key: item[key] for key in named}
        for item in crds.items
    )
    return replace(crds, items=tuple(items))


@pytest.mark.parametrize(
    "example", [each for each in EXAMPLES if "crds" in CHECKS[each.code].needs], ids=lambda example: example.id
)
def test_of_crds_of_other_groups_no_check_asks_for_more_than_metadata(example: Example):
    case = example.case
    less = as_read(case.inventory.section("crds"), judged_groups(case.objects, case.recipe))
    trial = replace(case, inventory=replace(case.inventory, sections={**case.inventory.sections, "crds": less}))
    check = [CHECKS[example.code]]
    assert judge(trial, check) == judge(case, check)
