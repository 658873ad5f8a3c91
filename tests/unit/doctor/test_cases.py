"""Every seeded fault is named, with its words and its command, and nothing else; a healthy deployment gives none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llmdctl.model.check import Outcome
from llmdctl.model.hop import HEALTHY
from tests import documents
from tests.unit.doctor.page import PAGE, page
from tests.unit.doctor.scenes import FaultCase, all_cases
from tests.unit.release import scalers
from tests.unit.verify import cases as proofs

CASES = all_cases()
PLACEHOLDER = re.compile(r"\b[A-Z]{4,}\b|<[a-z]+>")  # what a person would have to fill in
ROOT = Path(__file__).resolve().parents[3]
KNOWN = documents.load((ROOT / "tests" / "cases" / "faults.yaml").read_text(encoding="utf-8"))
DEFECTS = [f"defect-{number}" for number in range(1, 23)]
PAINS = [f"pain-{number}" for number in (1, 2, 3, 9, 12, 13)]
OF = [
    frozenset(case.data.get("of", ()))
    for case in (*CASES, *proofs.all_cases(), *scalers.all_cases())
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_is_named(case: FaultCase) -> None:
    found = case.diagnosis
    assert len(found.chains) == 1
    chain = found.chains[0]
    broken = chain.broken
    expected = case.expected
    said = "\n".join(f"{hop.name.value} {hop.outcome.value}: {hop.saw}" for hop in chain.hops)
    said += "".join(f"\nalso {also.kind}: {also.message} {also.remedy}" for also in chain.also)
    assert (broken.name.value if broken else None) == expected.get("hop"), said
    if broken is not None:
        for words in expected.get("saw", ()):
            assert words in broken.saw, said
        for words in expected.get("remedy", ()):
            assert any(words in entry for entry in (*broken.remedy, broken.expected)), broken.remedy
    also = [found for found in chain.also if found.outcome is not Outcome.SKIP]
    for words in expected.get("also", ()):
        assert any(words in f"{entry.kind} {entry.message} {entry.remedy}" for entry in also), said
    named = (*expected.get("also", ()), *expected.get("besides", ()))
    assert not [entry for entry in also if not any(words in f"{entry.kind} {entry.message}" for words in named)], said
    if "unknown" in expected:
        assert [hop.name.value for hop in chain.hops if hop.outcome is Outcome.UNKNOWN] == expected["unknown"], said
    if expected.get("hop") is None and not expected.get("also") and not expected.get("unknown"):
        assert found.exit_code == HEALTHY, said


def test_every_finding_says_what_should_be_and_has_a_command_that_can_be_pasted() -> None:
    for case in CASES:
        chain = case.diagnosis.chains[0]
        hops = [hop for hop in chain.hops if hop.outcome in (Outcome.FAIL, Outcome.UNKNOWN)]
        for found in (*hops, *chain.also):
            written = [entry for entry in found.remedy if entry.startswith("$ ")]
            assert written, (case.name, found)
            assert not [entry for entry in written if PLACEHOLDER.search(entry)], (case.name, written)
        for hop in hops:
            assert hop.saw, case.name
            assert hop.expected or hop.outcome is Outcome.UNKNOWN, (case.name, hop)


def test_after_a_broken_hop_nothing_is_looked_at() -> None:
    for case in CASES:
        hops = case.diagnosis.chains[0].hops
        broken = next((index for index, hop in enumerate(hops) if hop.outcome is Outcome.FAIL), len(hops))
        assert all(hop.outcome is Outcome.SKIP for hop in hops[broken + 1 :]), case.name


def test_the_cases_cover_every_hop_and_enough_faults() -> None:
    broken = [str(case.expected["hop"]) for case in CASES if case.expected.get("hop")]
    assert len(broken) >= 30
    assert {"address", "listener", "route", "pool", "epp", "endpoint", "sidecar", "engine", "model", "request"} <= set(
        broken
    )


@pytest.mark.allow_loopback  # verify's cases ask several pods at once
def test_the_page_of_faults_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run make update"


@pytest.mark.parametrize("name", [*DEFECTS, *PAINS])
def test_what_is_known_to_go_wrong_is_seeded_or_never_runs(name: str) -> None:
    refused = KNOWN["defects"].get(name, {}).get("refused")
    assert any(name in of for of in OF) != bool(refused)


def test_a_case_is_an_instance_of_something_that_is_known() -> None:
    assert frozenset().union(*OF) <= {*DEFECTS, *PAINS}
    assert set(KNOWN["pains"]) == set(PAINS)
    assert set(KNOWN["defects"]) <= set(DEFECTS)
