"""The table of recipes in README.md, from the catalogue."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from llmdctl import assets
from llmdctl.cli.views.recipes import cell_counts
from llmdctl.recipe import Catalog

RECORD = Path(__file__).resolve().parent.parent / "guides" / "matrix.json"
README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- recipes:begin (make update) -->", "<!-- recipes:end -->"


def table(catalog: Catalog, cells: Mapping[str, int]) -> str:
    """One row a path: goal, the default cell, how many entries of evidence it has and how many cells are kept."""
    rows = ["| Recipe | What for | Default cell | Evidence | Cells |", "|---|---|---|---|---|"]
    for path in catalog.paths:
        counts = Counter(cell_counts(catalog, path.name))
        evidence = ", ".join(f"{count} {level}" for level, count in counts.most_common()) or "derived"
        cell = f"{path.defaults['model']} on {path.defaults['accelerator']}, {path.defaults['engine']}"
        number = f"[{cells[path.name]:,}](guides/matrix.md#{path.name})" if path.name in cells else "-"
        rows.append(f"| [{path.name}](paths/{path.name}/README.md) | {path.goal} | {cell} | {evidence} | {number} |")
    return "\n".join(rows)


def judged_cells() -> Mapping[str, int]:
    """Path -> cells of the default matrix that render, as the judges found them."""
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {}
    return dict(record.get("helm", {}).get("counts", {}))


def main() -> int:
    """Write, or with --check compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = f"{before}{BEGIN}\n{table(Catalog.load([assets.paths()]), judged_cells())}\n{END}{after}"
    if made == text:
        return 0
    if not check:
        README.write_text(made, encoding="utf-8")
    print("README.md")
    return 1 if check else 0


if __name__ == "__main__":
    sys.exit(main())
