"""A report of preflight for people: what fails first, what passed as a number, every remedy ready to copy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from llmdctl.cli.views.wrapping import Wrap
from llmdctl.model.check import CheckResult, Outcome, PreflightReport
from llmdctl.preflight import wording

if TYPE_CHECKING:
    from llmdctl.preflight.check import Check

_EVIDENCE: Final = 5  # objects of one check without --verbose
_INDENT: Final = " " * 6
_GAP: Final = 2


def lines(report: PreflightReport, *, verbose: bool = False, width: int | None = None) -> Iterator[str]:
    """The whole report, ending with the verdict. `width` are columns; None: lines as long as their text."""
    wrap = Wrap(width)
    yield from wrap(wording.headline(report))
    yield from wrap(wording.cluster(report))
    advice = wording.advice(report)
    yield from wrap(advice) if advice else ()
    yield ""
    for outcome in (Outcome.FAIL, Outcome.WARN):
        for result in report.of(outcome):
            yield from _result(result, wrap, verbose=verbose)
            yield ""
    yield from _unknown(report, wrap, verbose=verbose)
    if verbose:
        for outcome in (Outcome.PASS, Outcome.SKIP):
            for result in report.of(outcome):
                yield from wrap(f"{_head(result)}: {result.message}", hang=_INDENT)
        yield ""
    yield from _placement(report, wrap)
    yield from wrap(wording.tally(report) + ("." if verbose else " (-v shows them)."))
    yield from wrap(wording.verdict(report))


def _head(result: CheckResult) -> str:
    return f"{result.outcome.value.upper():<5} {result.code} {result.title}"


def _result(result: CheckResult, wrap: Wrap, *, verbose: bool) -> Iterator[str]:
    ignored = " (a failure, ignored)" if result.ignored else ""
    yield from wrap(f"{_head(result)}{ignored}", hang=_INDENT)
    yield from wrap(result.message, indent=_INDENT)
    shown = result.evidence if verbose else result.evidence[:_EVIDENCE]
    for each in shown:
        expected = f" (expected {each.expected})" if each.expected else ""
        yield from wrap(f"- {each.object}: {each.observed}{expected}", indent=_INDENT, hang=f"{_INDENT}  ")
    if len(shown) < len(result.evidence):
        yield f"{_INDENT}- and {len(result.evidence) - len(shown)} more (-v shows them)"
    yield from _remedies(result.remedy, wrap)
    yield f"{_INDENT}Why: llmdctl preflight --explain {result.code}"


def _remedies(remedy: Iterable[str], wrap: Wrap) -> Iterator[str]:
    """Sentences are wrapped, commands never: what is copied must run."""
    for entry in remedy:
        command = wording.command(entry)
        if command is None:
            yield from wrap(entry, indent=_INDENT)
        else:
            first, *rest = command.split("\n")
            yield f"{_INDENT}$ {first}"
            yield from rest  # a manifest that is handed in: not one space may be added to it


def _unknown(report: PreflightReport, wrap: Wrap, *, verbose: bool) -> Iterator[str]:
    for reason, results in wording.by_reason(report.of(Outcome.UNKNOWN)):
        if len(results) == 1 or verbose:
            for result in results:
                yield from wrap(_head(result), hang=_INDENT)
            yield from wrap(reason, indent=_INDENT)
        else:
            yield from wrap(f"UNKNOWN {len(results)} checks: {reason}", hang=_INDENT)
            yield from wrap(" ".join(result.code for result in results), indent=_INDENT)
        yield ""


def _placement(report: PreflightReport, wrap: Wrap) -> Iterator[str]:
    placement, rows = report.placement, wording.placement_rows(report)
    said = [text for text in (placement.reason, placement.fragmentation) if text]
    if not (rows or said):
        return
    if rows:
        cells = [("ROLE", "REPLICAS", "PODS", "NODES"), *((r.role, r.replicas, r.pods, r.where) for r in rows)]
        yield from _table(cells, wrap)
    for text in said:
        yield from wrap(text)
    if placement.changes:
        yield from wrap("Each of these alone would make it fit:")
        for change in placement.changes:
            yield from wrap(f"- {change}", hang="  ")
    yield ""


def _table(rows: Sequence[tuple[str, ...]], wrap: Wrap) -> Iterator[str]:
    """Columns as wide as their text; the last one is wrapped under itself."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        front = "".join(cell.ljust(width + _GAP) for cell, width in zip(row, widths, strict=False))
        yield from wrap(row[-1], indent=front, hang=" " * len(front))


def explained(check: Check, *, width: int | None = None) -> Iterator[str]:
    """The page of one check."""
    wrap = Wrap(width)
    yield f"{check.code} {check.slug} ({check.category}, {check.severity.value})"
    yield from wrap(check.title)
    yield ""
    yield from wrap(check.why)
    yield ""
    yield from wrap(f"What to do: {check.remedy}")
    yield from wrap(f"Read from: {', '.join(check.needs) or 'what the recipe renders'}")
    for source in check.sources:
        yield f"Source: {source}"


def catalogue(checks: Iterable[Check]) -> Iterator[str]:
    """One check a line."""
    for check in checks:
        yield f"{check.code}  {check.severity.value:<8} {check.category:<13} {check.title}"
