"""Writes the values files that are kept under paths/: `python tools/generate_values.py [--check]`.

With --check nothing is written; the exit code is 1 when a file differs from what would be.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from llmdctl import assets
from llmdctl.model.selection import Overrides
from llmdctl.recipe import Catalog, compose, kept_cells
from llmdctl.values import values_file


def generated_files(catalog: Catalog) -> Mapping[Path, str]:
    """Every kept values file of the catalogue, as it should be: place relative to the paths' folder -> text."""
    forced = Overrides(force=True)  # a cell with evidence is shown even where it is known to be bad
    return {
        Path(file): values_file(compose(catalog, selection, forced), file=f"paths/{file}")
        for file, selection in kept_cells(catalog)
    }


def main(arguments: list[str]) -> int:
    """Write or check; returns the exit code."""
    folder = assets.paths()
    wanted = {folder / file: text for file, text in generated_files(Catalog.load([folder])).items()}
    present = {*folder.glob("*/values.yaml"), *folder.glob("*/values/*.yaml")}
    stale = [file for file in sorted({*wanted, *present}) if wanted.get(file) != _content(file)]
    for file in stale:
        print(file.relative_to(folder.parent))
        if "--check" in arguments:
            continue
        if file in wanted:
            file.parent.mkdir(exist_ok=True)
            file.write_text(wanted[file], encoding="utf-8")
        else:
            file.unlink()
    return 1 if stale and "--check" in arguments else 0


def _content(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.is_file() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
