"""What every JUnit document of ours is made of. The form is the one that CI systems agree on:
https://github.com/testmoapp/junitxml
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document may hold, escaped or not: https://www.w3.org/TR/xml/#charsets"""


def document(root: Element) -> str:
    """The document, with its declaration and a last newline."""
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def totals(ends: Sequence[str]) -> dict[str, str]:
    """The counts of a suite, from the end of each of its cases: failure, error, skipped, or empty for a pass."""
    named = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    return {"tests": str(len(ends))} | {name: str(ends.count(end)) for name, end in named.items()}


def add_suite(root: Element, name: str, ends: Sequence[str], facts: Mapping[str, str]) -> Element:
    """A suite with its counts and properties; its cases follow."""
    suite = SubElement(root, "testsuite", {"name": name} | totals(ends))
    properties = SubElement(suite, "properties")
    for key, value in facts.items():
        SubElement(properties, "property", name=key, value=_text(value))
    return suite


def add_case(suite: Element, *, name: str, group: str, end: str, outcome: str, message: str, details: str) -> None:
    """One case. A pass says `message` and `details` in its output; `group` is its class name."""
    case = SubElement(suite, "testcase", name=name, classname=group, time="0")
    if end == "skipped":
        SubElement(case, "skipped", message=_text(message))
    elif end:
        SubElement(case, end, type=outcome, message=_text(message)).text = _text(details)
    else:
        SubElement(case, "system-out").text = _text(f"{message}\n{details}".rstrip())


def _text(text: str) -> str:
    return _NO_XML.sub("?", text)
