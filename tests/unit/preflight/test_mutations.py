"""No fact, no pass: every example that passes is judged again with what it reads taken away, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from llmdctl.model.check import CheckResult, Outcome
from llmdctl.model.inventory import Section, Seen
from llmdctl.preflight.case import Case
from llmdctl.preflight.checks import CHECKS
from llmdctl.preflight.judging import judge
from tests.unit.preflight.cases import Example
from tests.unit.preflight.recording import Path, leaves, recording, without
from tests.unit.preflight.test_cases import GOOD, read_by

UNKNOWN = (Seen.ABSENT, Seen.TIMED_OUT, Seen.FAILED, Seen.FORBIDDEN)
NAMED = frozenset({"name", "namespace", "kind", "apiVersion"})
"""What no object of the API lacks."""
VITAL = {
    "LD0101": "client helm",
    "LD0102": "version gitVersion",
    "LD0105": "client execPlugin",
    "LD0110": "client isTerminal",
    "LD0202": "version gitVersion",
    "LD0203": "identity username",
    "LD0205": "access allowed",
    "LD0206": "access allowed",
    "LD0208": "dry-run outcome",
    "LD0209": "dry-run outcome",
    "LD0210": "version date",
    "LD0211": "api-services status",
    "LD0301": "version gitVersion",
    "LD0302": "nodes status.nodeInfo.kubeletVersion",
    "LD0303": "nodes status.nodeInfo.kubeletVersion",
    "LD0304": "apis apiVersion",
    "LD0305": "device-classes spec.extendedResourceName",
    "LD0308": "version gitVersion",
    "LD0309": "cluster-versions status.history",
    "LD0310": "nodes status.nodeInfo.containerRuntimeVersion",
}
"""The one fact that a check is about: without it in any item, it never passes."""


def changed(case: Case, name: str, section: Section) -> Case:
    return replace(case, inventory=replace(case.inventory, sections={**case.inventory.sections, name: section}))


def judged(case: Case, code: str) -> CheckResult:
    return judge(case, [CHECKS[code]])[0]


@pytest.mark.parametrize("example", GOOD, ids=lambda example: example.id)
def test_no_section_can_be_taken_away(example: Example) -> None:
    case = example.case()
    for name in read_by(case, example.code):
        for seen in UNKNOWN:
            result = judged(changed(case, name, Section(seen=seen, reason="taken away")), example.code)
            assert result.outcome is not Outcome.PASS, f"passes with {name} {seen.value}"
            assert "This is a bug" not in result.message
            assert result.message, "nothing is said"


def fields(case: Case, code: str) -> Iterator[tuple[str, Path]]:
    """Each field of an item that the rule reads: section, path."""
    read: set[Path] = set()
    sections = {
        name: replace(found, items=tuple(recording(item, (name,), read) for item in found.items))
        for name, found in case.inventory.sections.items()
    }
    watched = replace(case, inventory=replace(case.inventory, sections=sections))
    assert judged(watched, code).outcome is Outcome.PASS, "watching changes nothing"
    yield from ((path[0], path[1:]) for path in leaves(read) if len(path) > 1)


def lacking(case: Case, name: str, path: Path) -> Case:
    found = case.inventory.section(name)
    return changed(case, name, replace(found, items=tuple(without(item, path) for item in found.items)))


@pytest.mark.parametrize("example", GOOD, ids=lambda example: example.id)
def test_no_rule_trips_over_a_field_that_is_not_there(example: Example) -> None:
    case = example.case()
    for name, path in fields(case, example.code):
        if path[-1] not in NAMED:
            result = judged(lacking(case, name, path), example.code)
            assert "This is a bug" not in result.message, f"{name} {'.'.join(path)}: {result.message}"


ABOUT = [example for example in GOOD if example.code in VITAL]


@pytest.mark.parametrize("example", ABOUT, ids=lambda example: example.id)
def test_a_check_never_passes_without_the_fact_that_it_is_about(example: Example) -> None:
    name, path = VITAL[example.code].split(" ")
    case = example.case()
    items: tuple[Any, ...] = case.section(name)
    mutated = lacking(case, name, tuple(path.split(".")))
    if mutated.section(name) == items:
        pytest.skip("this example passes without the fact for another reason")
    assert judged(mutated, example.code).outcome is not Outcome.PASS
