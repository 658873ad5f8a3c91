"""A report as JUnit XML: a test suite a category, a test case a check.

A failure is a `failure`, what could not be decided an `error` (it did not pass), what does not apply is `skipped`;
a warning passes with what it says in `system-out`, and is a `failure` where warnings end with a failure (--strict).
The form is the one that CI systems agree on: https://github.com/testmoapp/junitxml
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from llmdctl.model.check import CheckResult, Outcome, PreflightReport
from llmdctl.model.junit_text import add_case, add_suite, document, totals


def junit(report: PreflightReport, *, strict: bool = False) -> str:
    """The document, with its declaration and a last newline."""
    ends = {result.code: _end(result, strict=strict) for result in report.results}
    root = Element("testsuites", {"name": "llmdctl preflight"} | totals(tuple(ends.values())))
    for category in dict.fromkeys(result.category for result in report.results):
        own = [result for result in report.results if result.category == category]
        suite = add_suite(root, category, [ends[result.code] for result in own], _facts(report))
        for result in own:
            _case(suite, result, ends[result.code])
    return document(root)


def _facts(report: PreflightReport) -> dict[str, str]:
    return {
        "recipe": report.recipe,
        "release": report.release,
        "namespace": report.namespace,
        "server": report.server,
        "kubernetes": report.version,
        "platform": report.platform.name,
        "captured_at": report.captured_at,
    }


def _end(result: CheckResult, *, strict: bool) -> str:
    if result.outcome is Outcome.FAIL or (strict and result.outcome is Outcome.WARN):
        return "failure"
    return {Outcome.UNKNOWN: "error", Outcome.SKIP: "skipped"}.get(result.outcome, "")


def _case(suite: Element, result: CheckResult, end: str) -> None:
    said = "WARN " if result.outcome is Outcome.WARN and not end else ""
    add_case(
        suite, name=f"{result.code} {result.slug}", group=f"preflight.{result.category}", end=end,
        outcome=result.outcome.value, message=said + result.message, details=_details(result),
    )  # fmt: skip


def _details(result: CheckResult) -> str:
    seen = [
        f"{each.object}: {each.observed}" + (f" (expected {each.expected})" if each.expected else "")
        for each in result.evidence
    ]
    return "\n".join((*seen, *result.remedy, result.doc))
