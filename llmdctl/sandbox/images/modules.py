"""Python modules for an image, compiled ahead: a pod that starts compiles nothing and asks for no file's time.

The bytecode carries a hash of its source that is not checked when it is loaded (PEP 552), so that the same source gives
the same file. It is made by one process of the image's own Python with a fixed seed: what `marshal` writes depends on
the order of sets and on what the process did before.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from llmdctl.errors import ProgramError
from llmdctl.programs.cache import Entry, cache_root, content_key
from llmdctl.programs.origin import Reporter, silent
from llmdctl.sandbox.images.items import File, Folder, Item, Link
from llmdctl.sandbox.images.layer import content_identity

_FORMAT: Final = "1"  # raise when the way of compiling changes
_TAIL_LINES: Final = 5


def compiled(label: str, sources: Mapping[str, Path | bytes], *, report: Reporter = silent) -> tuple[Item, ...]:
    """The files, at their places in the image, with bytecode beside every module. Kept in the cache.

    `sources`: place in the image, without the leading slash, to content. Raises ProgramError when one of them cannot be
    compiled or the cache not be written.
    """
    parts: list[str | bytes] = [_FORMAT, sys.version, sys.implementation.cache_tag or ""]
    for place, content in sorted(sources.items()):
        parts += [place, content_identity(content)]
    entry = Entry(root=cache_root(), label=f"modules-{label}", key=content_key(parts))

    def make(folder: Path) -> None:
        report(f"{label}: compiling {len(sources)} files for an image")
        _copy(sources, folder)
        _compile(folder)

    entry.fill(make, report)
    return tuple(_items(entry.path))


def _copy(sources: Mapping[str, Path | bytes], folder: Path) -> None:
    for place, content in sources.items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            shutil.copyfile(content, target)


def _compile(folder: Path) -> None:
    command = [sys.executable, "-S", "-s", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    done = subprocess.run(
        [*command, "-s", str(folder), "-p", "/", "-r", "50", str(folder)],
        env={"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", "")},
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        tail = done.stdout.strip().splitlines()[-_TAIL_LINES:]
        raise ProgramError("\n".join(["Python modules for an image cannot be compiled", *tail]))


def _items(folder: Path) -> Iterable[Item]:
    for path in sorted(folder.rglob("*")):
        place = str(path.relative_to(folder))
        if path.is_symlink():
            yield Link(path=place, target=str(path.readlink()))
        elif path.is_dir():
            yield Folder(path=place)
        else:
            yield File(path=place, content=path, mode=0o755 if ".so" in path.suffixes else 0o644)
