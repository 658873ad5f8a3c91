"""A report as SARIF 2.1.0, which code scanning services read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmdctl.lint.rule import Code
from llmdctl.model.finding import Finding, Report, Severity

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.NOTE: "note",
    Severity.UNKNOWN: "note",  # SARIF has no word for it; the property `severity` keeps it
}


def sarif(report: Report, known: Mapping[str, Code], *, version: str) -> dict[str, Any]:
    """The log with one run; rules are those that have a finding."""
    used = [known[code] for code in sorted({finding.code for finding in report.findings}) if code in known]
    index = {code.code: number for number, code in enumerate(used)}
    driver = {"name": "llmdctl", "semanticVersion": version, "rules": [_rule(code) for code in used]}
    results = [_result(finding, index) for finding in report.findings]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _rule(code: Code) -> dict[str, Any]:
    return {
        "id": code.code,
        "shortDescription": {"text": code.title},
        "fullDescription": {"text": code.doc},
        "defaultConfiguration": {"level": _LEVELS[code.severity]},
    }


def _result(finding: Finding, index: Mapping[str, int]) -> dict[str, Any]:
    location: dict[str, Any] = {
        "logicalLocations": [{"name": finding.object, "fullyQualifiedName": f"{finding.object}/{finding.path}"}]
    }
    if finding.file is not None:
        physical: dict[str, Any] = {"artifactLocation": {"uri": finding.file.replace("\\", "/")}}
        if finding.line is not None:
            physical["region"] = {"startLine": max(finding.line, 1)}
        location["physicalLocation"] = physical
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "level": _LEVELS[finding.severity],
        "message": {"text": " ".join(part for part in (finding.message, finding.remedy) if part)},
        "locations": [location],
        "properties": {"severity": finding.severity.value},
    }
    if finding.code in index:
        result["ruleIndex"] = index[finding.code]
    return result
