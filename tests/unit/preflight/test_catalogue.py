"""The catalogue is whole: every code is a check or left out for a reason, and every check can be looked up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from llmdctl.model.sections import NAMES
from llmdctl.preflight.check import CATEGORIES, Check
from llmdctl.preflight.checks import CHECKS, FAMILIES
from llmdctl.preflight.left_out import LEFT_OUT

CATALOGUE = Path(__file__).resolve().parents[2] / "fixtures" / "catalogue.txt"
ALL = [check for family in FAMILIES for check in family]
SOURCE = re.compile(r"https?://\S+\.\S+|.*\b\d+(\.\d+)+\b.*")
"""A public address, or a project with its version."""


def listed() -> list[str]:
    lines = CATALOGUE.read_text(encoding="utf-8").splitlines()
    return [line.split(" ", 1)[0] for line in lines if line.startswith("LD")]


def test_the_catalogue_has_205_checks_and_13_of_a_recipe_itself() -> None:
    of_recipe = [code for code in listed() if code.startswith("LD16")]
    assert len(of_recipe) == 13
    assert len(set(listed())) == len(listed()) == 205 + len(of_recipe)


def test_every_code_is_a_check_or_left_out_and_never_both() -> None:
    codes = {check.code for check in ALL}
    assert sorted(set(listed()) - codes - set(LEFT_OUT)) == [], "neither a check nor left out"
    assert sorted(codes & set(LEFT_OUT)) == [], "a check that is said to be left out"
    assert sorted((codes | set(LEFT_OUT)) - set(listed())) == [], "not in the catalogue"


def test_what_is_left_out_says_why() -> None:
    assert [code for code, reason in LEFT_OUT.items() if len(reason.split()) < 3 or reason.endswith(".")] == []
    assert list(LEFT_OUT) == sorted(LEFT_OUT)


def test_codes_and_slugs_are_unique() -> None:
    assert twice(check.code for check in ALL) == []
    assert twice(check.slug for check in ALL) == []
    assert len(CHECKS) == len(ALL)


def test_every_check_is_well_formed() -> None:
    assert {check.code: mistakes(check) for check in ALL if mistakes(check)} == {}


def mistakes(check: Check) -> list[str]:
    """What a check's own text lacks."""
    found = []
    if not re.fullmatch(r"LD\d{4}", check.code) or check.code[2:4] not in CATEGORIES:
        found.append("code")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9.]+)*", check.slug):
        found.append(f"slug {check.slug}")
    if not check.title or check.title.endswith("."):
        found.append("title")
    found += [f"there is no section {need}" for need in check.needs if need not in NAMES]
    found += [f"{name} is no sentence" for name in ("why", "remedy") if not sentence(getattr(check, name))]
    found += [f"source {source!r}" for source in check.sources if not SOURCE.fullmatch(source)]
    return found if check.sources else [*found, "no source"]


def sentence(text: str) -> bool:
    return len(text.split()) >= 2 and text.rstrip().endswith((".", "`", "..."))


def twice(names: Iterable[str]) -> list[str]:
    counted = Counter(names)
    return sorted(name for name, number in counted.items() if number > 1)
