"""Running checks: facts first, then the rule; whatever keeps a rule from an answer is unknown, never a pass."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from llmdctl.model.check import CheckResult, Outcome
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.verdict import UnknowableError, Verdict, unknown

_WEIGHED = {Severity.ERROR: Outcome.FAIL, Severity.WARNING: Outcome.WARN, Severity.NOTE: Outcome.PASS}


def judge(case: Case, checks: Iterable[Check], *, ignored: Collection[str] = ()) -> tuple[CheckResult, ...]:
    """The result of every check, in their order. A failure whose code is in `ignored` is a warning."""
    return tuple(_result(case, check, demoted=check.code in ignored) for check in checks)


def _result(case: Case, check: Check, *, demoted: bool) -> CheckResult:
    verdict = _verdict(case, check)
    outcome = _WEIGHED.get(check.severity, Outcome.FAIL) if verdict.outcome is Outcome.FAIL else verdict.outcome
    ignored = demoted and outcome is Outcome.FAIL
    return CheckResult(
        code=check.code,
        slug=check.slug,
        title=check.title,
        category=check.category,
        outcome=Outcome.WARN if ignored else outcome,
        message=verdict.message,
        evidence=verdict.evidence,
        remedy=verdict.remedy,
        needs=check.needs,
        doc=f"guides/checks/{check.code}.md",
        ignored=ignored,
    )


def _verdict(case: Case, check: Check) -> Verdict:
    try:
        for need in check.needs:
            case.section(need)
        return check.rule(case)
    except UnknowableError as cause:
        return unknown(str(cause))
    except Exception as bug:  # noqa: BLE001 - one rule that trips must not cost a person the other two hundred
        return unknown(f"llmdctl failed in this check ({type(bug).__name__}: {bug}). This is a bug.")
