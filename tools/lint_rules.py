"""The table of rules in guides/lint.md, from the rules themselves."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from page_folder import keep_page

from llmdctl.lint import CODES

GUIDE = Path(__file__).resolve().parent.parent / "guides" / "lint.md"
BLOCK = re.compile(r"(<!-- rules:begin -->\n).*?(<!-- rules:end -->)", re.DOTALL)
ALIASES = {
    "LD1604": ("Plugin that the endpoint picker's release does not have", "found as LD1803 and LD1804"),
}
"""Self-checks of a recipe whose number is kept, and that a more precise rule finds."""


def table() -> str:
    """One row a rule, by code."""
    rows = ["| code | severity | what is found | why it matters |", "|---|---|---|---|"]
    entries = {code: (rule.severity.value, rule.title, rule.doc) for code, rule in CODES.items()}
    entries |= {code: ("", title, note) for code, (title, note) in ALIASES.items() if code not in CODES}
    rows += [f"| {code} | {severity} | {title} | {doc} |" for code, (severity, title, doc) in sorted(entries.items())]
    return "\n".join(rows) + "\n"


def page() -> str:
    """The guide with its table as the rules are."""
    return BLOCK.sub(lambda found: found.group(1) + table() + found.group(2), GUIDE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(keep_page(GUIDE, page(), __doc__))
