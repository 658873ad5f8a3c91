"""What `find` hands back: a program, its version, and how it was come by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

Reporter = Callable[[str], None]


def silent(line: str) -> None:
    """The default reporter: says nothing."""


class Origin(Enum):
    """Which of the five sources a program came from."""

    EXPLICIT = "explicit path"
    PATH = "PATH"
    CACHE = "cache"
    DOWNLOAD = "download"
    BUILD = "build"


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A program that can be run now."""

    name: str
    path: Path
    version: str  # without a leading `v`, such as `4.3.1`; `unknown` for one that was given by path and cannot tell
    origin: Origin
