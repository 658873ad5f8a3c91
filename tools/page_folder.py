"""A folder of generated pages: `keep` writes it, or with --check says what differs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path


def keep(folder: Path, wanted: Mapping[Path, str], about: str | None) -> int:
    """The whole command line of a generator: write the pages and remove what is none of them, or name what differs.

    Paths are printed from two folders above `folder`. The exit code is 1 where --check finds something.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = [file for file, text in wanted.items() if not file.is_file() or file.read_text(encoding="utf-8") != text]
    gone = [file for file in folder.glob("*.md") if file not in wanted]
    for file in (*stale, *gone):
        print(file.relative_to(folder.parent.parent))
    if check:
        return 1 if stale or gone else 0
    folder.mkdir(exist_ok=True)
    for file in gone:
        file.unlink()
    for file in stale:
        file.write_text(wanted[file], encoding="utf-8")
    return 0
