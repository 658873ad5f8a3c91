"""Which endpoint picker and which routing sidecar go into the images: the pinned ones, or those given by path.

`LLMDCTL_EPP=<binary>` and `LLMDCTL_SIDECAR=<binary>` put another version there (`LLMDCTL_EPP07` and
`LLMDCTL_SIDECAR07`, the variables of the pinned programs, do the same).
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Final

from llmdctl import programs
from llmdctl.programs.origin import Reporter, silent
from llmdctl.sandbox.images.dialect import dialect_of
from llmdctl.sandbox.images.digests import digest_of
from llmdctl.sandbox.images.facet import ProgramLayer, facets

PICKER: Final = "epp07"
_VARIABLES: Final = {PICKER: "LLMDCTL_EPP", "sidecar07": "LLMDCTL_SIDECAR"}
_DIGITS: Final = 8  # of the digest, in the tag of a program that cannot tell its version


def found_program(name: str, *, report: Reporter = silent) -> programs.Program:
    """The program that goes into an image. Raises ProgramError."""
    return programs.find(name, path=_given(name), report=report)


def pinned_programs() -> tuple[str, ...]:
    """The programs of the catalogue that go into images, without those that are given by path."""
    layers = [layer for image in facets().images.values() for layer in image.layers]
    names = dict.fromkeys(layer.program for layer in layers if isinstance(layer, ProgramLayer))
    return tuple(name for name in names if _given(name) is None)


def dialect() -> str:
    """What the endpoint picker in the image speaks: `global.llmd.eppVersion`. Raises ProgramError."""
    given = _given(PICKER)
    if given is None:
        return ".".join(programs.pinned(PICKER).version.split(".")[:2])
    found = programs.find(PICKER, path=given)
    return _dialect_of(found.path, found.path.stat().st_mtime_ns)


def tag_of_program(name: str) -> str:
    """`v` and the version; of one given by path the dialect, or `given`, and the start of its digest."""
    given = _given(name)
    if given is None:
        return f"v{programs.pinned(name).version}"
    found = programs.find(name, path=given)
    if found.version != "unknown":
        return f"v{found.version}"
    known = dialect() if name == PICKER else "given"
    return f"{known}-{digest_of(found.path)[:_DIGITS]}"


def _given(name: str) -> Path | None:
    value = os.environ.get(_VARIABLES.get(name, "")) or os.environ.get(programs.pinned(name).variable)
    return Path(value).expanduser() if value else None


@cache
def _dialect_of(path: Path, changed_ns: int) -> str:
    del changed_ns  # another time is another program
    return dialect_of(path)
