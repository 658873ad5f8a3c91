"""The table of rules in guides/lint.md, from the rules themselves."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

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


def main() -> int:
    """Write the table, or with --check say whether it is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    before = GUIDE.read_text(encoding="utf-8")
    after = BLOCK.sub(lambda found: found.group(1) + table() + found.group(2), before)
    if before == after:
        return 0
    print(GUIDE.relative_to(GUIDE.parent.parent))
    if check:
        return 1
    GUIDE.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
