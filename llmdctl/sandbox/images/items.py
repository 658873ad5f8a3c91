"""What a layer of an image holds: folders, files and links, each at its place in the image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """A folder. `path` is absolute in the image, without the leading slash, as in a tar."""

    path: str
    mode: int = 0o755


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A regular file: the bytes themselves, or a file of this machine that holds them."""

    path: str
    content: Path | bytes
    mode: int = 0o644

    @property
    def size_bytes(self) -> int:
        """How long the file is."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A symbolic link."""

    path: str
    target: str


Item = Folder | File | Link


def text(path: str, *lines: str) -> File:
    """A small text file."""
    return File(path=path, content="".join(f"{line}\n" for line in lines).encode())


def program(path: str, source: Path) -> File:
    """A program that anybody may run."""
    return File(path=path, content=source, mode=0o755)
