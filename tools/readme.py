"""The table of recipes in README.md, from the catalogue."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from page_folder import keep_page

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


def made() -> str:
    """README.md with its table as the catalogue is."""
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(Catalog.load([assets.paths()]), judged_cells())}\n{END}{after}"


if __name__ == "__main__":
    sys.exit(keep_page(README, made(), __doc__))
