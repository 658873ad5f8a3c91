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

PICKER: Final = "epp07"
_VARIABLES: Final = {PICKER: "LLMDCTL_EPP", "sidecar07": "LLMDCTL_SIDECAR"}
_DIGITS: Final = 8  # of the digest, in the tag of a program that cannot tell its version


def found_program(name: str, *, report: Reporter = silent) -> programs.Program:
    """The program that goes into an image. Raises ProgramError."""
    given = os.environ.get(_VARIABLES.get(name, ""))
    return programs.find(name, path=Path(given).expanduser() if given else None, report=report)


def dialect(*, report: Reporter = silent) -> str:
    """What the endpoint picker in the image speaks: `global.llmd.eppVersion`. Raises ProgramError."""
    found = found_program(PICKER, report=report)
    if found.origin is programs.Origin.EXPLICIT:
        return _dialect_of(found.path, found.path.stat().st_mtime_ns)
    return ".".join(programs.pinned(PICKER).version.split(".")[:2])


def tag_of_program(name: str) -> str:
    """`v` and the version; of one given by path the dialect, or `given`, and the start of its digest."""
    found = found_program(name)
    if found.version != "unknown":
        return f"v{found.version}"
    known = dialect() if name == PICKER else "given"
    return f"{known}-{digest_of(found.path)[:_DIGITS]}"


@cache
def _dialect_of(path: Path, changed_ns: int) -> str:
    del changed_ns  # another time is another program
    return dialect_of(path)
