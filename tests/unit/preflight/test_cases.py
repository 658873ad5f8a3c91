"""Each check against what was captured or is described somewhere, and against a cluster that does not tell."""

from __future__ import annotations

import pytest

from llmdctl.model.check import Outcome
from llmdctl.preflight.checks import CHECKS
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
