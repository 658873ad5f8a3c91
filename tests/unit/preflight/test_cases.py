"""Each check against what was captured or is described somewhere, and against a cluster that does not tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmdctl.model.check import Outcome
from llmdctl.model.inventory import Section, Seen
from llmdctl.preflight.case import Case
from llmdctl.preflight.checks import CHECKS
from llmdctl.preflight.judging import judge
from tests.unit.preflight.cases import Example, examples

EXAMPLES = examples()
GOOD = [each for each in EXAMPLES if each.written["expect"] == "pass"]
FORBIDDEN = Section(seen=Seen.FORBIDDEN, reason="cannot list it")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.id)
def test_a_case_comes_to_what_it_expects(example: Example) -> None:
    (result,) = judge(example.case(), [CHECKS[example.code]])
    assert result.outcome.value == example.written["expect"], result.message
    assert example.written["message"] in result.message
    assert "This is a bug" not in result.message
    assert (result.outcome is not Outcome.FAIL) or result.remedy, "a failure without a way out"


@pytest.mark.parametrize("example", GOOD, ids=lambda example: example.id)
def test_without_a_fact_that_it_reads_nothing_passes(example: Example) -> None:
    case = example.case()
    for name in read_by(case, example.code):
        hidden = replace(case.inventory, sections={**case.inventory.sections, name: FORBIDDEN})
        (result,) = judge(replace(case, inventory=hidden), [CHECKS[example.code]])
        assert result.outcome is not Outcome.PASS, f"passes without {name}"
        assert "This is a bug" not in result.message


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


def read_by(case: Case, code: str) -> set[str]:
    """The sections that a check reads in this case."""
    seen: set[str] = set()

    class Watched(dict[str, Section]):
        def get(self, name: str, default: Section | None = None) -> Section | None:  # type: ignore[override]
            seen.add(name)
            return super().get(name, default)

    judge(replace(case, inventory=replace(case.inventory, sections=Watched(case.inventory.sections))), [CHECKS[code]])
    return seen
