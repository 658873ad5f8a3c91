"""The shared libraries that programs of this machine need, and where an image has to hold them.

`ldd` answers, as the machine's own loader would: nothing is guessed from names.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from llmdctl.errors import ProgramError
from llmdctl.programs.cache import Entry, cache_root, content_key
from llmdctl.sandbox.images.items import File, Item, program

_LIMIT_S: Final = 60.0
_ANSWER: Final = "libraries.json"
_LOADER_CACHE: Final = "/etc/ld.so.cache"  # changes with every installation of a library
# Loaded by name when a host name is looked up, so that no program lists them (glibc before 2.34; later ones need none).
_NAME_SERVICE: Final = ("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2")


def libraries(files: Iterable[Path], *, carried: tuple[Path, ...] = ()) -> tuple[Item, ...]:
    """The loader and every library that the files need, directly or not; nothing for static programs.

    All go into the folder of the C library, where the loader looks whatever the machine's own folders were, except the
    loader itself, whose place is written in every program. Libraries below one of the folders `carried` are left
    out: they travel with their package. Raises ProgramError without `ldd`, and for a library that is missing.
    """
    found = _known(sorted(files))
    if not found:
        return ()
    home = _home(found)
    items: dict[str, File] = {}
    for path in found:
        source = Path(path)
        if any(source.is_relative_to(folder) for folder in carried):
            continue
        place = path if found[path] else str(home / source.name)
        items[place] = program(place.lstrip("/"), source.resolve())
    for name in _NAME_SERVICE:
        source = Path(str(home)) / name
        if source.exists():
            items[str(source)] = program(str(source).lstrip("/"), source.resolve())
    return tuple(items[place] for place in sorted(items))


def _home(found: dict[str, bool]) -> PurePosixPath:
    """The folder of the C library; that of the loader where both are one, as with musl."""
    for path in found:
        if PurePosixPath(path).name.startswith("libc.so"):
            return PurePosixPath(path).parent
    return PurePosixPath(next(path for path, is_loader in found.items() if is_loader)).parent


def _known(files: list[Path]) -> dict[str, bool]:
    """What `_asked` said of these very files; it starts a loader for each, so its answer is kept."""
    stats = [file.stat() for file in files] + [path.stat() for path in (Path(_LOADER_CACHE),) if path.exists()]
    parts = [str(file) for file in files] + [f"{found.st_size} {found.st_mtime_ns}" for found in stats]
    entry = Entry(root=cache_root(), label="libraries", key=content_key(parts))

    def make(folder: Path) -> None:
        (folder / _ANSWER).write_text(json.dumps(dict(_asked(files))))

    entry.fill(make)
    known: dict[str, bool] = json.loads((entry.path / _ANSWER).read_text())
    if all(Path(path).exists() for path in known):
        return known
    return dict(_asked(files))


def _asked(files: list[Path]) -> Iterator[tuple[str, bool]]:
    """Every library's path on this machine, and whether it is the loader."""
    ldd = shutil.which("ldd")
    if ldd is None:
        raise ProgramError("ldd is not there: images are made of this machine's programs, on Linux only")
    done = subprocess.run(
        [ldd, *map(str, files)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LIMIT_S, check=False
    )
    for line in done.stdout.splitlines():
        words = line.split()
        if not line[:1].isspace() or not words or words[0].startswith("linux-"):
            continue
        if "=>" in words:
            place = words[words.index("=>") + 1]
            if place == "not":
                raise ProgramError(f"a program of the images needs {words[0]}, which is not on this machine")
            if place.startswith("/"):
                yield place, words[0].startswith("/")
        elif words[0].startswith("/"):
            yield words[0], True
