"""Which cells have a values file in the repository: every default, and every accelerator x engine with evidence."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from llmdctl.model.selection import AXES, Selection
from llmdctl.recipe.catalog import Catalog


def kept_cells(catalog: Catalog) -> Iterator[tuple[str, Selection]]:
    """(file below the paths' folder, what it is composed of), sorted by file.

    `<path>/values.yaml` holds the defaults; `<path>/values/<accelerator>-<engine>.yaml` the first entry of
    evidence.yaml for that path, accelerator and engine, with the other axes that the entry names.
    """
    cells: dict[str, Selection] = {}
    for path in catalog.names("path"):
        cells[f"{path}/values.yaml"] = Selection(path=path)
    for cell in catalog.cells:
        names = cell.match
        others = {axis: names[axis][0] for axis in AXES if axis in names and axis not in ("accelerator", "engine")}
        for path, accelerator, engine in product(
            names.get("path", ()), names.get("accelerator", ()), names.get("engine", ())
        ):
            file = f"{path}/values/{accelerator}-{engine}.yaml"
            if path in catalog.names("path"):
                cells.setdefault(file, Selection(path=path, accelerator=accelerator, engine=engine, **others))
    yield from sorted(cells.items())
