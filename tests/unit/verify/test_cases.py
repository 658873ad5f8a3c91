"""Every seeded fault turns its proof red in the words of its case."""

from __future__ import annotations

import re

import pytest

from llmdctl.model.check import Outcome
from llmdctl.release.verify import CLAIMS, wording
from tests.unit.verify.cases import VerifyCase, all_cases

pytestmark = pytest.mark.allow_loopback  # asking several pods at once makes a socket pair
CASES = all_cases()
PLACEHOLDER = re.compile(r"\b[A-Z]{4,}\b|<[a-z]+>")  # what a person would have to fill in
NEVER_RED = {
    "LV0803": "who came when is not known, so a wrong order is a warning",
    "LV0603": "verify makes no load that evicts blocks, so an idle tier is unknown",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_is_named(case: VerifyCase) -> None:
    found = case.proof
    assert found.outcome.value == case.outcome, found
    assert case.verdict in found.message, found
    assert found.message.endswith((".", "…"))
    assert any(str(case.expected.get("remedy", "")) in entry for entry in found.remedy)
    bad = {each.code for each in (*case.report.of(Outcome.FAIL), *case.report.of(Outcome.WARN))}
    assert bad == {case.code, *case.data["expect"].get("besides", ())}, "and nothing else is found"
    if case.outcome == "fail":
        assert wording.exit_code(case.report) == 9
    for each in (*case.report.of(Outcome.FAIL), *case.report.of(Outcome.WARN)):
        assert each.evidence, f"{each.code}: what was seen, and what should have been"
        commands = [entry for entry in each.remedy if entry.startswith("$ ")]
        assert commands, f"{each.code}: a command that can be pasted"
        assert not [entry for entry in commands if PLACEHOLDER.search(entry)], commands


def test_each_proof_can_turn_red() -> None:
    red = {case.code for case in CASES if case.outcome == "fail"}
    assert set(CLAIMS) - red == set(NEVER_RED)
