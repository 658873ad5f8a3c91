"""Rules that the linter decides: its findings about the rendered objects, weighed as a check's outcome."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Finding, Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Rule
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, unknown, warned

_SHOWN: Final = 8
"""Findings that are listed; the linter itself shows all."""

Concerned = Callable[[Case], str]
"""Why a rule does not concern the recipe; empty where it does."""


def linted(*codes: str, good: str, concerned: Concerned | None = None) -> Rule:
    """A rule that fails on an error with one of these codes of the linter, and warns on a warning.

    `good` is what is said when nothing was found.
    """

    def rule(case: Case) -> Verdict:
        return verdict_of(case, codes, good=good, concerned=concerned)

    return rule


def verdict_of(case: Case, codes: Collection[str], *, good: str, concerned: Concerned | None = None) -> Verdict:
    """What the linter found of these codes, as one outcome; the worst finding decides it."""
    if case.linted is None:
        return skipped("no recipe was named")
    why_not = concerned(case) if concerned else ""
    if why_not:
        return skipped(why_not)
    found = [finding for finding in case.linted.findings if finding.code in codes]
    for severity, say in ((Severity.ERROR, failed), (Severity.WARNING, warned)):
        some = [finding for finding in found if finding.severity is severity]
        if some:
            remedy = tuple(dict.fromkeys(finding.remedy for finding in some if finding.remedy))
            return say(_sentence(some), map(_evidence, some[:_SHOWN]), *(remedy or (_SEE,)))
    doubts = [finding for finding in found if finding.severity is Severity.UNKNOWN]
    if doubts:
        return unknown(_sentence(doubts), map(_evidence, doubts[:_SHOWN]))
    notes = [finding for finding in found if finding.severity is Severity.NOTE]
    return passed(f"{good} {_sentence(notes)}" if notes else good, map(_evidence, notes[:_SHOWN]))


_SEE: Final = "$ llmdctl lint shows the object and the line."


def _sentence(found: list[Finding]) -> str:
    more = f" ({len(found) - 1} more like it)" if len(found) > 1 else ""
    first = found[0]
    return f"{first.code} {first.object}: {first.message}{more}"


def _evidence(finding: Finding) -> Evidence:
    return Evidence(object=finding.object, observed=finding.message, expected=finding.remedy)
