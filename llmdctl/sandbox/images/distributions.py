"""Installed Python distributions as a layer: those that are named, and all that they need."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Final

from llmdctl.errors import ProgramError
from llmdctl.programs.origin import Reporter, silent
from llmdctl.sandbox.images.items import Item
from llmdctl.sandbox.images.libraries import libraries
from llmdctl.sandbox.images.modules import compiled

SITE: Final = "opt/llmdctl/site"
"""Where modules that are not of the standard library stand in an image, below no prefix of Python: distributions of
Linux name the folder there differently. The image's PYTHONPATH says it."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NO_USE: Final = frozenset((".pyc", ".pyi", ".pxd", ".pyx", ".h", ".hpp", ".c", ".typed"))
_INSTALLER: Final = frozenset(("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"))  # they tell of this machine


def items(names: Iterable[str], *, report: Reporter = silent) -> tuple[Item, ...]:
    """The distributions' files, compiled, and the libraries of their extensions. Raises ProgramError."""
    places: dict[str, Path | bytes] = {}
    roots: set[Path] = set()
    for found in closure(names):
        root = Path(str(found.locate_file("")))
        roots.add(root.resolve())
        for file in found.files or ():
            if _wanted(file):
                places[f"{SITE}/{file}"] = root / str(file)
    extensions = [path for path in places.values() if isinstance(path, Path) and ".so" in path.suffixes]
    return (*compiled("distributions", places, report=report), *libraries(extensions, carried=tuple(roots)))


def file_of(name: str, path: str) -> Path:
    """One file of an installed distribution. Raises ProgramError when it is not there."""
    found = _distribution(name)
    place = Path(str(found.locate_file(path)))
    if not place.is_file():
        raise ProgramError(f"{name} {found.version} has no file {path}")
    return place


def version_of(name: str) -> str:
    """The version of an installed distribution. Raises ProgramError when it is not there."""
    return _distribution(name).version


def closure(names: Iterable[str]) -> list[metadata.Distribution]:
    """The named distributions and what they require, by name.

    A requirement that holds on other systems only, or for an option of the distribution, is told by its absence here:
    pip has installed what is needed.
    """
    found: dict[str, metadata.Distribution] = {}
    waiting = [(name, True) for name in names]
    while waiting:
        name, needed = waiting.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in found:
            continue
        try:
            found[key] = _distribution(name)
        except ProgramError:
            if needed:
                raise
            continue
        waiting += _requirements(found[key])
    return [found[key] for key in sorted(found)]


def _requirements(found: metadata.Distribution) -> Iterator[tuple[str, bool]]:
    """Names of what it requires, and whether always."""
    for line in found.requires or ():
        requirement, _, marker = line.partition(";")
        match = _NAME.match(requirement.strip())
        if match and "extra" not in marker:
            yield match[0], not marker.strip()


def _wanted(file: PurePosixPath) -> bool:
    if ".." in file.parts or file.suffix in _NO_USE or "tests" in file.parts:
        return False
    return not (file.parent.suffix == ".dist-info" and file.name in _INSTALLER)


def _distribution(name: str) -> metadata.Distribution:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise ProgramError(
            f"an image needs the Python package {name}, which is not installed here",
            remedy="Install llmdctl with what a real node needs: pip install 'llmdctl[engine,node]'.",
        ) from None
