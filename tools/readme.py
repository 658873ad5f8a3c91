"""The table of recipes in README.md, from the catalogue."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from llmdctl import assets
from llmdctl.cli.views.recipes import cell_counts
from llmdctl.recipe import Catalog

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- recipes:begin (make update) -->", "<!-- recipes:end -->"


def table(catalog: Catalog) -> str:
    """One row a path: goal, the default model and accelerator, and the evidence of its cells."""
    rows = ["| Recipe | What for | Default cell | Evidence |", "|---|---|---|---|"]
    for path in catalog.paths:
        counts = Counter(cell_counts(catalog, path.name))
        evidence = ", ".join(f"{count} {level}" for level, count in counts.most_common()) or "derived"
        cell = f"{path.defaults['model']} on {path.defaults['accelerator']}, {path.defaults['engine']}"
        rows.append(f"| [{path.name}](paths/{path.name}/README.md) | {path.goal} | {cell} | {evidence} |")
    return "\n".join(rows)


def main() -> int:
    """Write, or with --check compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = f"{before}{BEGIN}\n{table(Catalog.load([assets.paths()]))}\n{END}{after}"
    if made == text:
        return 0
    if not check:
        README.write_text(made, encoding="utf-8")
    print("README.md")
    return 1 if check else 0


if __name__ == "__main__":
    sys.exit(main())
