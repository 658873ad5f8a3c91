"""Every seeded fault turns its proof red in the words of its case."""

from __future__ import annotations

import pytest

from llmdctl.release.verify import CLAIMS, wording
from tests.unit.verify.cases import VerifyCase, all_cases

pytestmark = pytest.mark.allow_loopback  # asking several pods at once makes a socket pair
CASES = all_cases()
NEVER_RED = {
    "LV0603": "verify makes no load that evicts blocks, so an idle tier is unknown",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_is_named(case: VerifyCase) -> None:
    found = case.proof
    assert found.outcome.value == case.outcome, found
    assert case.verdict in found.message, found
    assert found.message.endswith((".", "…"))
    if case.outcome == "fail":
        assert wording.exit_code(case.report) == 9


def test_each_proof_can_turn_red() -> None:
    red = {case.code for case in CASES if case.outcome == "fail"}
    assert set(CLAIMS) - red == set(NEVER_RED)
