"""What charts rendered before, and what a judge accepted: the same question has the same answer.

One file a chart, its content and a group of models, or a judge and all that its verdicts depend on, below the cache of
programs; what the last run did not ask for is dropped.
"""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from llmdctl import assets
from llmdctl.programs.cache import cache_root, content_key

Objects = list[dict[str, Any]] | str  # or why there are none
Key = tuple[str, bytes]


def place(section: str, chart: Path, group: str, engine: str) -> Path:
    """Where the objects of one chart for one group of cells lie; another content of the chart, another place."""
    sources = (chart, assets.charts() / "llmd-library")
    files = sorted(file for source in sources for file in source.glob("**/*") if file.is_file())
    driver = Path(__file__).with_name("batch.py").read_bytes()
    root = assets.charts()  # not in the key: another checkout of the same charts renders the same
    parts = (part for file in files for part in (str(file.relative_to(root)), file.read_bytes()))
    key = content_key([engine, driver, *parts])
    return cache_root() / "cells" / f"{section}-{key}" / f"{group}.pickle"


def forget() -> None:
    """Drop everything that is remembered."""
    shutil.rmtree(cache_root() / "cells", ignore_errors=True)


def read(file: Path) -> dict[Key, Objects]:
    """What is remembered; nothing, when the file is not there."""
    try:
        return dict(pickle.loads(file.read_bytes()))
    except FileNotFoundError:
        return {}


def write(file: Path, found: Mapping[Key, Objects]) -> None:
    """Remember, and forget what other contents of the same chart gave."""
    keep(file, dict(found))


def keep(file: Path, found: object) -> None:
    """Write a file whole or not at all, and drop those of its kind that depended on something else."""
    section = file.parent.name.rpartition("-")[0]
    for other in file.parent.parent.glob(f"{section}-*"):
        if other != file.parent and other.name.rpartition("-")[0] == section:
            shutil.rmtree(other, ignore_errors=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.{os.getpid()}")  # two processes may keep the same answer
    partial.write_bytes(pickle.dumps(found))
    partial.replace(file)


def accepted(judge: str, depends_on: Iterable[str | bytes]) -> Path:
    """Where the fingerprints lie of what `judge` accepted; other things that its verdicts depend on, another place."""
    return cache_root() / "cells" / f"{judge}-{content_key(depends_on)}" / "accepted.pickle"


def doubtful(file: Path, keys: Iterable[bytes]) -> set[bytes]:
    """Those of `keys` that were never accepted, and one in 32 of the others, so that the judge is seen to be awake."""
    try:
        known: frozenset[bytes] = pickle.loads(file.read_bytes())
    except FileNotFoundError:
        known = frozenset()
    return {key for key in keys if key not in known or key[0] % 32 == 0}
