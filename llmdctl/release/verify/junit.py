"""A report as JUnit XML: a test suite a family, a test case a proof; the form of preflight's reports.

The form is the one that CI systems agree on: https://github.com/testmoapp/junitxml
"""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from llmdctl.model.check import Outcome
from llmdctl.model.junit_text import add_case, add_suite, document, totals
from llmdctl.model.proof import Proof, VerifyReport

_ENDS: Final = {Outcome.FAIL: "failure", Outcome.UNKNOWN: "error", Outcome.SKIP: "skipped"}


def junit(report: VerifyReport, *, strict: bool = False) -> str:
    """The document, with its declaration and a last newline."""
    ends = {proof.code: _end(proof, strict=strict) for proof in report.proofs}
    named = {"name": "llmdctl verify", "time": f"{report.seconds:.3f}"}
    root = Element("testsuites", named | totals(tuple(ends.values())))
    for family in dict.fromkeys(proof.family for proof in report.proofs):
        own = [proof for proof in report.proofs if proof.family == family]
        suite = add_suite(root, family, [ends[proof.code] for proof in own], _facts(report))
        for proof in own:
            add_case(
                suite, name=f"{proof.code} {proof.slug}", group=f"verify.{family}", end=ends[proof.code],
                outcome=proof.outcome.value, message=proof.message, details=_details(proof),
            )  # fmt: skip
    return document(root)


def _facts(report: VerifyReport) -> dict[str, str]:
    return {
        "release": report.release, "namespace": report.namespace, "recipe": report.recipe,
        "revision": str(report.revision), "server": report.server, "entrance": report.entrance,
        "requests": str(report.requests),
    }  # fmt: skip


def _end(proof: Proof, *, strict: bool) -> str:
    return "failure" if strict and proof.outcome is Outcome.WARN else _ENDS.get(proof.outcome, "")


def _details(proof: Proof) -> str:
    read = [
        f"{each.where}: " + " -> ".join(part for part in (each.before, each.after) if part)
        + (f" (expected {each.expected})" if each.expected else "")
        for each in proof.evidence
    ]  # fmt: skip
    return "\n".join((*read, *proof.remedy, proof.doc))
