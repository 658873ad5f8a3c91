"""The Python that runs llmdctl, as a layer: its program, its standard library, and the libraries that both need.

It stands under /usr/local in the image wherever it stands here; Python finds its library from its own place.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from llmdctl.programs.origin import Reporter, silent
from llmdctl.sandbox.images.items import Item, Link, program
from llmdctl.sandbox.images.libraries import libraries
from llmdctl.sandbox.images.modules import compiled

PREFIX: Final = "usr/local"
# Of the standard library, what no server imports: tests, editors, windows, terminals, installers.
_LEFT_OUT: Final = frozenset(
    ("test", "tests", "idlelib", "tkinter", "turtledemo", "turtle.py", "ensurepip", "lib2to3", "pydoc_data")
) | {"distutils", "site-packages", "dist-packages", "__pycache__"}
_NO_EXTENSION: Final = ("_test", "_tkinter", "_xx", "xx", "_ctypes_test", "_curses", "_dbm", "_gdbm", "nis", "readline")


def name() -> str:
    """`python3.11`."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def items(commands: tuple[str, ...], *, report: Reporter = silent) -> tuple[Item, ...]:
    """Python, and further programs of this machine such as /bin/sh, with all their libraries. Raises ProgramError."""
    source = Path(sysconfig.get_path("stdlib"))
    extensions = tuple(path for path in _files(source) if ".so" in path.suffixes)
    home = f"{PREFIX}/{sys.platlibdir}/{name()}"
    places = {f"{home}/{path.relative_to(source)}": path for path in _files(source)}
    binary = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    programs = [Path(command).resolve() for command in commands]
    return (
        program(f"{PREFIX}/bin/{name()}", binary),
        Link(path=f"{PREFIX}/bin/python3", target=name()),
        Link(path=f"{PREFIX}/bin/python", target=name()),
        *(program(command.lstrip("/"), source) for command, source in zip(commands, programs, strict=True)),
        *compiled("python", places, report=report),
        *libraries([binary, *programs, *extensions]),
    )


def _files(folder: Path) -> Iterator[Path]:
    """The files of the standard library that are wanted, in no order."""
    for path in folder.iterdir():
        if path.name in _LEFT_OUT or path.name.startswith("config-"):
            continue
        if path.is_dir():
            yield from _files(path)
        elif not path.name.startswith(_NO_EXTENSION) or ".so" not in path.suffixes:
            yield path
