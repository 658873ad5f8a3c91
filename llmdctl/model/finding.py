"""What a linter or another judge says about one place in one object, and all that it said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding weighs; `unknown` says that nobody could tell, never that all is well."""

    ERROR = "error"  # it cannot work as meant: refused by render and install
    WARNING = "warning"  # it works, or may work, but not as somebody would want it
    NOTE = "note"  # worth knowing; never changes an exit code
    UNKNOWN = "unknown"  # what is needed to judge is not known, and that is said


ORDER = (Severity.ERROR, Severity.WARNING, Severity.UNKNOWN, Severity.NOTE)
"""From what must be looked at first to what need not be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One mistake, doubt or remark, with its place."""

    code: str  # LD1704; stable, never used again for something else
    severity: Severity
    object: str  # Kind/namespace/name, the namespace empty where none is stated; empty for a text that is no object
    path: str  # JSON path inside the object, such as `spec.template.spec.containers[0].args[3]`
    file: str | None = None
    line: int | None = None  # 1-based
    message: str  # what is wrong, as a sentence
    remedy: str = ""  # what to do, as a sentence

    @property
    def place(self) -> str:
        """`file:line` as far as known, else the object."""
        if self.file is None:
            return self.object
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """All findings of one run, in the order of file, line and code."""

    findings: tuple[Finding, ...] = ()
    objects: int = 0  # that were read
    ignored: int = 0  # findings taken out by --ignore, the configuration or an annotation

    @classmethod
    def together(cls, reports: Iterable[Report]) -> Report:
        """Several reports as one, in their order."""
        several = tuple(reports)
        return cls(
            findings=tuple(finding for report in several for finding in report.findings),
            objects=sum(report.objects for report in several),
            ignored=sum(report.ignored for report in several),
        )

    @property
    def counts(self) -> Mapping[str, int]:
        """Severity -> number of findings, every severity named."""
        return {severity.value: len(self.of(severity)) for severity in ORDER}

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings of one severity."""
        return tuple(finding for finding in self.findings if finding.severity is severity)
