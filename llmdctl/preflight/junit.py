"""A report as JUnit XML: a test suite a category, a test case a check.

A failure is a `failure`, what could not be decided an `error` (it did not pass), what does not apply is `skipped`;
a warning passes with what it says in `system-out`, and is a `failure` where warnings end with a failure (--strict).
The form is the one that CI systems agree on: https://github.com/testmoapp/junitxml
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from llmdctl.model.check import CheckResult, Outcome, PreflightReport

_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document may hold, escaped or not: https://www.w3.org/TR/xml/#charsets"""


def junit(report: PreflightReport, *, strict: bool = False) -> str:
    """The document, with its declaration and a last newline."""
    root = Element("testsuites", {"name": "llmdctl preflight"} | _totals(report.results, strict=strict))
    for category in dict.fromkeys(result.category for result in report.results):
        own = [result for result in report.results if result.category == category]
        suite = SubElement(root, "testsuite", {"name": category} | _totals(own, strict=strict))
        properties = SubElement(suite, "properties")
        for name, value in _facts(report).items():
            SubElement(properties, "property", name=name, value=_text(value))
        for result in own:
            _case(suite, result, strict=strict)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


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


def _totals(results: Iterable[CheckResult], *, strict: bool) -> dict[str, str]:
    ends = [_end(result, strict=strict) for result in results]
    return {
        "tests": str(len(ends)),
        "failures": str(ends.count("failure")),
        "errors": str(ends.count("error")),
        "skipped": str(ends.count("skipped")),
    }


def _end(result: CheckResult, *, strict: bool) -> str:
    if result.outcome is Outcome.FAIL or (strict and result.outcome is Outcome.WARN):
        return "failure"
    return {Outcome.UNKNOWN: "error", Outcome.SKIP: "skipped"}.get(result.outcome, "")


def _case(suite: Element, result: CheckResult, *, strict: bool) -> None:
    case = SubElement(
        suite, "testcase", name=f"{result.code} {result.slug}", classname=f"preflight.{result.category}", time="0"
    )
    end = _end(result, strict=strict)
    if end == "skipped":
        SubElement(case, "skipped", message=_text(result.message))
    elif end:
        SubElement(case, end, type=result.outcome.value, message=_text(result.message)).text = _text(_details(result))
    else:
        said = "WARN " if result.outcome is Outcome.WARN else ""
        SubElement(case, "system-out").text = _text(f"{said}{result.message}\n{_details(result)}".rstrip())


def _details(result: CheckResult) -> str:
    seen = [
        f"{each.object}: {each.observed}" + (f" (expected {each.expected})" if each.expected else "")
        for each in result.evidence
    ]
    return "\n".join((*seen, *result.remedy, result.doc))


def _text(text: str) -> str:
    return _NO_XML.sub("?", text)
