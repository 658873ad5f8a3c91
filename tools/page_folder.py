"""Generated pages, one or a folder of them: written, or with --check only named where they differ."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping
from pathlib import Path


def keep(folder: Path, wanted: Mapping[Path, str], about: str | None) -> int:
    """The whole command line of a generator: write the pages and remove what is none of them, or name what differs.

    Paths are printed from two folders above `folder`. The exit code is 1 where --check finds something.
    """
    gone = [file for file in folder.glob("*.md") if file not in wanted]
    return _keep(wanted, gone, folder.parent.parent, about)


def keep_page(page: Path, text: str, about: str | None) -> int:
    """The same for one page, whose path is printed from the folder above `tools`."""
    return _keep({page: text}, (), Path(__file__).resolve().parents[1], about)


def _keep(wanted: Mapping[Path, str], gone: Collection[Path], root: Path, about: str | None) -> int:
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = [file for file, text in wanted.items() if not file.is_file() or file.read_text(encoding="utf-8") != text]
    for file in (*stale, *gone):
        print(file.relative_to(root))
    if check:
        return 1 if stale or gone else 0
    for file in gone:
        file.unlink()
    for file in stale:
        file.parent.mkdir(exist_ok=True)
        file.write_text(wanted[file], encoding="utf-8")
    return 0
