"""A report in words and numbers, and what it ends the program with."""

from __future__ import annotations

from typing import Final

from llmdctl.errors import StrictWarningError, VerificationError
from llmdctl.model.check import Outcome
from llmdctl.model.proof import VerifyReport

_DONE: Final = 0


def exit_code(report: VerifyReport, *, strict: bool = False) -> int:
    """9 with a failure; with `strict`, 4 with a warning or something unknown; else 0."""
    if report.of(Outcome.FAIL):
        return VerificationError.exit_code
    if strict and (report.of(Outcome.WARN) or report.of(Outcome.UNKNOWN)):
        return StrictWarningError.exit_code
    return _DONE


def counted(number: int, thing: str) -> str:
    """`1 pod`, `3 pods`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def tally(report: VerifyReport) -> str:
    """`1 failed, 0 warnings, 2 unknown, 20 passed, 6 do not apply`."""
    counts = report.counts
    warnings = counted(counts["warn"], "warning")
    return (
        f"{counts['fail']} failed, {warnings}, {counts['unknown']} unknown, {counts['pass']} passed,"
        f" {counts['skip']} do not apply"
    )


def verdict(report: VerifyReport) -> str:
    """The report in a sentence."""
    counts = report.counts
    if counts["fail"]:
        return f"Not verified: {counted(counts['fail'], 'proof')} failed."
    if report.asleep:
        return f"Asleep ({', '.join(report.asleep)}): nothing failed of what can be told meanwhile."
    if counts["unknown"]:
        return f"Nothing failed, and {counts['unknown']} of the claims could not be decided."
    if counts["warn"]:
        return "Verified, with warnings."
    return "Verified: everything that this release claims holds."


def to_wake(report: VerifyReport) -> str:
    """The command that wakes a release that sleeps and proves the rest; empty where it is awake."""
    return f"$ llmdctl verify {report.release} -n {report.namespace} --wake" if report.asleep else ""


def effort(report: VerifyReport) -> str:
    """How much was asked for."""
    return (
        f"{counted(report.requests, 'request')} sent to the model (at most {report.budget}) in {report.seconds:.1f} s"
    )
