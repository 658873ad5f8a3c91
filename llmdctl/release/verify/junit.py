"""A report as JUnit XML: a test suite a family, a test case a proof; the form of preflight's reports.

The form is the one that CI systems agree on: https://github.com/testmoapp/junitxml
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from llmdctl.model.check import Outcome
from llmdctl.model.proof import Proof, VerifyReport

_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ENDS: Final = {Outcome.FAIL: "failure", Outcome.UNKNOWN: "error", Outcome.SKIP: "skipped"}


def junit(report: VerifyReport, *, strict: bool = False) -> str:
    """The document, with its declaration and a last newline."""
    root = Element(
        "testsuites",
        {"name": "llmdctl verify", "time": f"{report.seconds:.3f}"} | _totals(report.proofs, strict=strict),
    )
    for family in dict.fromkeys(proof.family for proof in report.proofs):
        own = [proof for proof in report.proofs if proof.family == family]
        suite = SubElement(root, "testsuite", {"name": family} | _totals(own, strict=strict))
        properties = SubElement(suite, "properties")
        for name, value in _facts(report).items():
            SubElement(properties, "property", name=name, value=_text(value))
        for proof in own:
            _case(suite, proof, strict=strict)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _facts(report: VerifyReport) -> dict[str, str]:
    return {
        "release": report.release, "namespace": report.namespace, "recipe": report.recipe,
        "revision": str(report.revision), "server": report.server, "entrance": report.entrance,
        "requests": str(report.requests),
    }  # fmt: skip


def _totals(proofs: Iterable[Proof], *, strict: bool) -> dict[str, str]:
    ends = [_end(proof, strict=strict) for proof in proofs]
    named = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    return {"tests": str(len(ends))} | {name: str(ends.count(end)) for name, end in named.items()}


def _end(proof: Proof, *, strict: bool) -> str:
    return "failure" if strict and proof.outcome is Outcome.WARN else _ENDS.get(proof.outcome, "")


def _case(suite: Element, proof: Proof, *, strict: bool) -> None:
    case = SubElement(
        suite, "testcase", name=f"{proof.code} {proof.slug}", classname=f"verify.{proof.family}", time="0"
    )
    end = _end(proof, strict=strict)
    if end == "skipped":
        SubElement(case, "skipped", message=_text(proof.message))
    elif end:
        SubElement(case, end, type=proof.outcome.value, message=_text(proof.message)).text = _text(_details(proof))
    else:
        SubElement(case, "system-out").text = _text(f"{proof.message}\n{_details(proof)}".rstrip())


def _details(proof: Proof) -> str:
    read = [
        f"{each.where}: " + " -> ".join(part for part in (each.before, each.after) if part)
        + (f" (expected {each.expected})" if each.expected else "")
        for each in proof.evidence
    ]  # fmt: skip
    return "\n".join((*read, *proof.remedy, proof.doc))


def _text(text: str) -> str:
    return _NO_XML.sub("?", text)
