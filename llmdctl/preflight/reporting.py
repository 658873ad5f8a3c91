"""All checks over one case, as one report."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final

from llmdctl.model.check import CheckResult, NodeSummary, Outcome, PreflightReport, SectionSummary
from llmdctl.model.collecting import uncollected
from llmdctl.model.sections import NAMES
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks import CHECKS
from llmdctl.preflight.judging import judge
from llmdctl.preflight.selecting import known_codes, selected
from llmdctl.preflight.summaries import summaries
from llmdctl.preflight.verdict import UnknowableError

_SAID_OF_A_NODE: Final = frozenset({Outcome.FAIL, Outcome.WARN})


def preflight(
    case: Case,
    *,
    only: Collection[str] = (),
    ignored: Collection[str] = (),
    checks: Mapping[str, Check] = CHECKS,
) -> PreflightReport:
    """Judge one case: the checks of `only` (codes or categories; all of them when it is empty), in the order of codes.

    A failure whose code is in `ignored` is a warning. Raises UsageError for names in either that are no check, with
    the nearest that is; nothing else, whatever the cluster holds.
    """
    demoted, chosen = known_codes(ignored, checks), selected(only, checks)
    with uncollected():  # the collector would walk the whole inventory again and again
        return _judged(case, chosen, demoted)


def _judged(case: Case, checks: Iterable[Check], demoted: Collection[str]) -> PreflightReport:
    results = judge(case, checks, ignored=demoted)
    return PreflightReport(
        recipe=case.recipe.path if case.recipe else "",
        facets=case.recipe.facets if case.recipe else {},
        release=case.release,
        namespace=case.namespace,
        server=case.inventory.server,
        version=_version(case),
        captured_at=case.inventory.captured_at,
        platform=case.platform,
        sections=_sections(case),
        nodes=_nodes(case, results),
        placement=case.placement,
        results=results,
    )


def _version(case: Case) -> str:
    found = (str(item.get("gitVersion") or "") for item in case.reading("version").items)
    return next((version for version in found if version), "")


def _sections(case: Case) -> tuple[SectionSummary, ...]:
    """Every section that this version knows, those that are not in the inventory too."""
    rows = ((name, case.reading(name)) for name in NAMES)
    return tuple(
        SectionSummary(name=name, seen=read.seen.value, items=len(read.items), reason=read.reason)
        for name, read in rows
    )


def _nodes(case: Case, results: Collection[CheckResult]) -> tuple[NodeSummary, ...]:
    """Every node with the codes that name it in their evidence; none where nodes could not be listed."""
    try:
        rows = summaries(case)
    except UnknowableError:
        return ()
    said = _said(results)
    return tuple(
        replace(row, findings=tuple(sorted({*row.findings, *more}))) if (more := said.get(f"Node//{row.name}")) else row
        for row in rows
    )


def _said(results: Collection[CheckResult]) -> dict[str, set[str]]:
    """Object -> codes of the failures and warnings that name it."""
    found: dict[str, set[str]] = {}
    for result in results:
        if result.outcome in _SAID_OF_A_NODE:
            for evidence in result.evidence:
                found.setdefault(evidence.object, set()).add(result.code)
    return found
