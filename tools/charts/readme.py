"""Writes the values reference of each chart's README from its commented values.yaml.

    python tools/charts/readme.py [--check] [CHART ...]

The table stands between ``<!-- values -->`` and ``<!-- /values -->``; the rest of a README is written by hand.
The ``global`` block is the same in every chart and is shown in the README of the umbrella alone.
``--check`` writes nothing and exits 1 where a table would change.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import values

OPEN_MARK, CLOSE_MARK = "<!-- values -->", "<!-- /values -->"
UMBRELLA = "llmd"


def table(chart: Path) -> str:
    """The reference of one chart as a Markdown table."""
    return "\n".join(["| Key | Default | Meaning |", "|---|---|---|", *_rows(chart)])


def _rows(chart: Path) -> Iterator[str]:
    for entry in values.walk(values.read(chart / "values.yaml")):
        if entry.path[0] == "global" and chart.name != UMBRELLA:
            continue
        if entry.children and not entry.description:
            continue
        default = "" if entry.children else f"`{_cell(json.dumps(entry.default))}`"
        yield f"| `{entry.dotted}` | {default} | {_cell(entry.description)}{_choices(entry)} |"


def _choices(entry: values.Entry) -> str:
    enum = entry.annotation.get("enum")
    if not enum:
        return ""
    return " One of " + ", ".join(f"`{_cell(json.dumps(choice))}`" for choice in enum) + "."


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def render(chart: Path) -> str:
    """The README with its table renewed.

    Raises:
        values.ValuesError: the README lacks the marks, or a key lacks a comment.
    """
    bare = [e.dotted for e in values.walk(values.read(chart / "values.yaml")) if not e.description and not e.children]
    if bare:
        raise values.ValuesError(f"{chart.name}/values.yaml: no comment above {', '.join(bare)}")
    text = (chart / "README.md").read_text(encoding="utf-8")
    if OPEN_MARK not in text or CLOSE_MARK not in text:
        raise values.ValuesError(f"{chart.name}/README.md: the marks {OPEN_MARK} and {CLOSE_MARK} are missing")
    head, rest = text.split(OPEN_MARK, 1)
    tail = rest.split(CLOSE_MARK, 1)[1]
    return f"{head}{OPEN_MARK}\n{table(chart)}\n{CLOSE_MARK}{tail}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a table would change")
    parser.add_argument("charts", nargs="*", help="names under charts/ (default: all that have values)")
    options = parser.parse_args()
    found = sorted(path.parent.name for path in values.CHARTS.glob("*/Chart.yaml"))
    names = options.charts or [name for name in found if values.read(values.CHARTS / name / "values.yaml")]
    stale = 0
    for name in names:
        readme = values.CHARTS / name / "README.md"
        try:
            text = render(values.CHARTS / name)
        except (values.ValuesError, FileNotFoundError) as error:
            print(error, file=sys.stderr)
            return 2
        if text == readme.read_text(encoding="utf-8"):
            continue
        stale += 1
        if options.check:
            print(f"charts/{name}/README.md is out of date: run python tools/charts/readme.py", file=sys.stderr)
        else:
            readme.write_text(text, encoding="utf-8")
    return int(options.check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
