"""No fact, no pass: every example that passes is judged again with what it reads taken away, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from llmdctl.model.check import CheckResult, Outcome
from llmdctl.model.inventory import Section, Seen
from llmdctl.preflight.case import Case
from llmdctl.preflight.checks import CHECKS
from llmdctl.preflight.judging import judge
from tests.unit.preflight.cases import Example
from tests.unit.preflight.recording import EACH, Path, leaves, recording, sections_read, without
from tests.unit.preflight.test_cases import GOOD

UNKNOWN = (Seen.ABSENT, Seen.TIMED_OUT, Seen.FAILED, Seen.FORBIDDEN)
NAMED = frozenset({"name", "namespace", "kind", "apiVersion"})
"""What no object of the API lacks."""
VERSION = ("version", "gitVersion")
ALLOWED = ("access", "allowed")
SERVED = ("crds", "spec", "versions", EACH, "served")
GPUS = ("nodes", "status", "allocatable", "nvidia.com/gpu")
DRIVER = ("resource-slices", "spec", "driver")
CONDITIONS = ("status", "conditions", EACH, "status")
VITAL: dict[str, Path] = {
    "LD0101": ("client", "helm"),
    "LD0102": VERSION,
    "LD0105": ("client", "execPlugin"),
    "LD0106": ("client", "proxies"),
    "LD0110": ("client", "isTerminal"),
    "LD0202": VERSION,
    "LD0203": ("identity", "username"),
    "LD0205": ALLOWED,
    "LD0206": ALLOWED,
    "LD0208": ("dry-run", "outcome"),
    "LD0209": ("dry-run", "outcome"),
    "LD0210": ("version", "date"),
    "LD0211": ("api-services", *CONDITIONS),
    "LD0212": ALLOWED,
    "LD0301": VERSION,
    "LD0302": ("nodes", "status", "nodeInfo", "kubeletVersion"),
    "LD0303": ("nodes", "status", "nodeInfo", "kubeletVersion"),
    "LD0304": ("apis", "apiVersion"),
    "LD0305": ("device-classes", "spec", "extendedResourceName"),
    "LD0306": VERSION,
    "LD0308": VERSION,
    "LD0309": ("cluster-versions", "status", "history"),
    "LD0310": ("nodes", "status", "nodeInfo", "containerRuntimeVersion"),
    **dict.fromkeys(("LD0401", "LD0405", "LD0407", "LD0409", "LD0410"), SERVED),
    "LD0412": DRIVER,
    "LD0413": DRIVER,
    "LD0414": ("vendor-operators", "status", "state"),
    "LD0416": ("kueue", *CONDITIONS),
    "LD0417": ("crds", *CONDITIONS),
    "LD0419": ("crds", "status", "storedVersions"),
    "LD0501": ("gateway-classes", *CONDITIONS),
    "LD0511": ("gateways", *CONDITIONS),
    "LD0512": ("services", "spec", "clusterIP"),
    **dict.fromkeys(("LD0601", "LD0602", "LD0603", "LD0604", "LD0605", "LD0609", "LD0613", "LD0615", "LD0621"), GPUS),
    "LD0608": DRIVER,
    "LD0635": ("resource-slices", "spec", "devices", EACH, "capacity", "memory", "value"),
    "LD0701": ("nodes", "status", "allocatable", "rdma/ib"),
    "LD0707": ("vendor-operators", "status", "state"),
    "LD0714": DRIVER,
    **dict.fromkeys(("LD0801", "LD0813", "LD0817", "LD0902", "LD0903", "LD0904", "LD0905"), GPUS),
    "LD0811": ("nodes", "status", "allocatable", "pods"),
    "LD0910": ("nodes", "status", "allocatable", "memory"),
    "LD1002": ("persistent-volume-claims", "spec", "accessModes"),
    "LD1305": ("dry-run", "outcome"),
    "LD1309": ("identity", "username"),
    "LD1402": ("api-services", *CONDITIONS),
    "LD1509": ("releases", "metadata", "labels", "llmdctl.dev/version"),
}
"""The fact that a check is about, section first: without it in any item, it never passes."""


def changed(case: Case, name: str, section: Section) -> Case:
    return replace(case, inventory=replace(case.inventory, sections={**case.inventory.sections, name: section}))


def judged(case: Case, code: str) -> CheckResult:
    return judge(case, [CHECKS[code]])[0]


@cache
def read_by(example: Example) -> frozenset[str]:
    """The sections that its check reads in an example."""
    return sections_read(example.case, example.code)


@pytest.mark.parametrize("example", GOOD, ids=lambda example: example.id)
def test_no_section_can_be_taken_away(example: Example) -> None:
    case = example.case
    for name in read_by(example):
        for seen in UNKNOWN:
            result = judged(changed(case, name, Section(seen=seen, reason="taken away")), example.code)
            assert result.outcome is not Outcome.PASS, f"passes with {name} {seen.value}"
            assert "This is a bug" not in result.message
            assert result.message, "nothing is said"


def fields(example: Example) -> Iterator[tuple[str, Path]]:
    """Each field of an item that the rule reads: section, path."""
    case = example.case
    read: set[Path] = set()
    sections = {
        name: replace(found, items=tuple(recording(item, (name,), read) for item in found.items))
        for name, found in case.inventory.sections.items()
        if name in read_by(example)
    }
    watched = replace(case, inventory=replace(case.inventory, sections={**case.inventory.sections, **sections}))
    assert judged(watched, example.code).outcome is Outcome.PASS, "watching changes nothing"
    yield from ((path[0], path[1:]) for path in leaves(read) if len(path) > 1)


def lacking(case: Case, name: str, path: Path) -> Case:
    found = case.inventory.section(name)
    return changed(case, name, replace(found, items=tuple(without(item, path) for item in found.items)))


@pytest.mark.parametrize("example", GOOD, ids=lambda example: example.id)
def test_no_rule_trips_over_a_field_that_is_not_there(example: Example) -> None:
    case = example.case
    for name, path in fields(example):
        if path[-1] not in NAMED:
            result = judged(lacking(case, name, path), example.code)
            assert "This is a bug" not in result.message, f"{name} {'.'.join(path)}: {result.message}"


@pytest.mark.parametrize("code", VITAL)
def test_a_check_never_passes_without_the_fact_that_it_is_about(code: str) -> None:
    name, *path = VITAL[code]
    tried = 0
    for example in GOOD:
        if example.code != code:
            continue
        case = example.case
        mutated = lacking(case, name, tuple(path))
        if mutated.inventory.section(name).items == case.inventory.section(name).items:
            continue  # it passes without the fact for another reason, such as that nothing asks for it
        tried += 1
        assert judged(mutated, code).outcome is not Outcome.PASS, example.id
    assert tried, "no example that passes has the fact"
