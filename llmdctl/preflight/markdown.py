"""A report as Markdown, for a comment on a change or the summary of a CI job."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from llmdctl.model.check import OUTCOMES, CheckResult, Outcome, PreflightReport
from llmdctl.preflight import wording

_EVIDENCE: Final = 10  # objects of one check; the JSON report has all of them
_NODES: Final = 50
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>|#~])")


def markdown(report: PreflightReport) -> str:
    """The whole report; what passed and what does not apply is folded away."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: PreflightReport) -> Iterator[str]:
    yield f"# {_cell(wording.verdict(report))}"
    yield ""
    yield f"{_cell(wording.headline(report))}  "
    yield _cell(wording.cluster(report))
    yield ""
    advice = wording.advice(report)
    yield from (_cell(advice), "") if advice else ()
    counts = report.counts
    yield from _table([wording.TITLES[outcome] for outcome in OUTCOMES], [[str(counts[o.value]) for o in OUTCOMES]])
    for outcome in (Outcome.FAIL, Outcome.WARN):
        found = report.of(outcome)
        if found:
            yield f"## {wording.TITLES[outcome]}"
            yield ""
            for result in found:
                yield from _result(result)
    yield from _unknown(report)
    yield from _placement(report)
    yield from _nodes(report)
    for outcome in (Outcome.PASS, Outcome.SKIP):
        yield from _folded(wording.TITLES[outcome], report.of(outcome))


def _result(result: CheckResult) -> Iterator[str]:
    ignored = " (a failure, ignored)" if result.ignored else ""
    yield f"### {result.code} {_cell(result.title)}{ignored}"
    yield ""
    yield _cell(result.message)
    yield ""
    if result.evidence:
        rows = [(each.object, each.observed, each.expected) for each in result.evidence[:_EVIDENCE]]
        yield from _table(("Object", "Seen", "Expected"), [[_cell(cell) for cell in row] for row in rows])
        more = len(result.evidence) - _EVIDENCE
        if more > 0:
            yield f"And {more} more."
            yield ""
    yield from _remedy(result.remedy)


def _remedy(remedy: Sequence[str]) -> Iterator[str]:
    for entry in remedy:
        command = wording.command(entry)
        if command is None:
            yield f"- {_cell(entry)}"
        else:
            fence = "`" * (max((len(run) for run in re.findall("`+", command)), default=0) + 3)
            yield from ("", f"{fence}sh", command, fence)
    if remedy:
        yield ""


def _unknown(report: PreflightReport) -> Iterator[str]:
    groups = wording.by_reason(report.of(Outcome.UNKNOWN))
    if groups:
        yield f"## {wording.TITLES[Outcome.UNKNOWN]}"
        yield ""
        rows = [[_cell(reason), ", ".join(result.code for result in results)] for reason, results in groups]
        yield from _table(("Why", "Checks"), rows)


def _placement(report: PreflightReport) -> Iterator[str]:
    placement = report.placement
    rows = [[_cell(cell) for cell in (r.role, r.replicas, r.pods, r.where)] for r in wording.placement_rows(report)]
    said = [text for text in (placement.reason, placement.fragmentation) if text]
    if not (rows or said):
        return
    yield "## Placement"
    yield ""
    if rows:
        yield from _table(("Role", "Replicas", "Pods", "Nodes"), rows)
    for text in (*said, *placement.changes):
        yield f"- {_cell(text)}"
    yield ""


def _nodes(report: PreflightReport) -> Iterator[str]:
    if not report.nodes:
        return
    rows = [
        (node.name, node.product or node.accelerator or "", wording.memory_of(node), wording.free_of(node),
         "yes" if node.schedulable else "no", " ".join(node.findings))
        for node in report.nodes[:_NODES]
    ]  # fmt: skip
    yield from ("<details>", f"<summary>Nodes ({len(report.nodes)})</summary>", "")
    columns = ("Node", "Accelerator", "Memory of one", "Free", "Schedulable", "Findings")
    yield from _table(columns, [[_cell(cell) for cell in row] for row in rows])
    more = len(report.nodes) - _NODES
    if more > 0:
        yield f"And {more} more."
        yield ""
    yield from ("</details>", "")


def _folded(title: str, results: Sequence[CheckResult]) -> Iterator[str]:
    if results:
        yield from ("<details>", f"<summary>{title} ({len(results)})</summary>", "")
        yield from (f"- {result.code} {_cell(result.title)}: {_cell(result.message)}" for result in results)
        yield from ("", "</details>", "")


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _cell(text: str) -> str:
    """Text that shows as it is, in a table too."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
