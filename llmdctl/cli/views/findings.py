"""Findings as lines: for people, and for GitHub's annotations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from llmdctl.model.finding import ORDER, Finding, Report, Severity

if TYPE_CHECKING:
    from llmdctl.cli import results

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning"}


def sentence(finding: Finding) -> str:
    """What is wrong and what to do."""
    return " ".join(part for part in (finding.message, finding.remedy) if part)


def line(finding: Finding) -> str:
    """`file:line: error LD1701: ... (Deployment/ns/name spec...)`."""
    where = f"{finding.object} {finding.path}".strip() if finding.file is not None else finding.path
    place = f"{finding.place}: " if finding.place else ""
    return f"{place}{finding.severity.value} {finding.code}: {sentence(finding)}" + (f" ({where})" if where else "")


def lines(report: Report, *, quiet: bool = False) -> Iterator[str]:
    """Every finding and a line that counts them; with `quiet`, only errors and warnings."""
    for finding in report.findings:
        if not quiet or finding.severity in (Severity.ERROR, Severity.WARNING):
            yield line(finding)
    if not quiet:
        yield summary(report)


def summary(report: Report) -> str:
    """One line: how much was read and found."""
    counts = [_counted(report.counts[severity.value], severity) for severity in ORDER if report.counts[severity.value]]
    found = ", ".join(counts) if counts else "nothing found"
    ignored = f"; {report.ignored} ignored" if report.ignored else ""
    noun = "object" if report.objects == 1 else "objects"
    return f"{report.objects} {noun}: {found}{ignored}."


def _counted(number: int, severity: Severity) -> str:
    word = "unknown" if severity is Severity.UNKNOWN else severity.value + ("" if number == 1 else "s")
    return f"{number} {word}"


def github(report: Report) -> Iterator[str]:
    """Workflow commands.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions#setting-a-notice-message
    """
    for finding in report.findings:
        command = _COMMANDS.get(finding.severity, "notice")
        fields = {"file": finding.file, "line": finding.line, "title": f"{finding.code} {finding.object}"}
        stated = ",".join(f"{key}={_property(str(value))}" for key, value in fields.items() if value is not None)
        yield f"::{command} {stated}::{_data(sentence(finding))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def rules(rows: Sequence[results.LintRule]) -> str:
    """One rule a line."""
    return "\n".join(f"{row.code}  {row.severity.value:8}{row.title}" for row in rows)
