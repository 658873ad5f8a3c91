"""One layer of an image as a tar stream: the same items give the same bytes, on any day and any machine.

Entries are sorted, owned by root, of the year 1970, and carry no names of users. Nothing is held in memory but the file
being read, a megabyte at a time.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from llmdctl.errors import ProgramError
from llmdctl.sandbox.images.items import File, Folder, Item, Link

_BLOCK: Final = 512  # bytes: tar's unit
_CHUNK: Final = 1 << 20
_END: Final = bytes(2 * _BLOCK)
# What is larger is told apart by size and time: reading it takes longer than using it.
_READ_WHOLE_BYTES: Final = 4 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """Items in the order of a tar: sorted, and every folder before what is in it."""

    name: str
    items: tuple[Item, ...]


def layer(name: str, items: Iterable[Item]) -> Layer:
    """The items with the folders above them. Raises ProgramError when two items claim one path."""
    placed: dict[str, Item] = {}
    for item in items:
        below = placed.setdefault(item.path, item)
        if below != item:
            raise ProgramError(f"two things want to be /{item.path} in layer {name}")
    for path in list(placed):
        for parent in PurePosixPath(path).parents:
            if str(parent) != ".":
                placed.setdefault(str(parent), Folder(path=str(parent)))
    return Layer(name=name, items=tuple(placed[path] for path in sorted(placed)))


def identity(part: Layer) -> Iterator[str | bytes]:
    """What tells this layer from any other, without reading large files. For keys of a cache."""
    for item in part.items:
        match item:
            case Folder(path=path, mode=mode):
                yield from ("folder", path, str(mode))
            case Link(path=path, target=target):
                yield from ("link", path, target)
            case File(path=path, mode=mode):
                yield from ("file", path, str(mode), content_identity(item.content))


def content_identity(content: Path | bytes) -> bytes:
    """A hash of the content, or of size and time of a large file."""
    if isinstance(content, bytes):
        return hashlib.blake2b(content).digest()
    found = content.stat()
    if found.st_size > _READ_WHOLE_BYTES:
        return f"{found.st_size} {found.st_mtime_ns}".encode()
    return hashlib.blake2b(content.read_bytes()).digest()


def size_bytes(part: Layer) -> int:
    """How long `write` will be."""
    return sum(len(_header(item, _size(item))) + _padded(_size(item)) for item in part.items) + len(_END)


def write(part: Layer, stream: BinaryIO) -> str:
    """Write the tar; its SHA-256 in hexadecimal. Raises ProgramError when a file changes meanwhile."""
    digest = hashlib.sha256()

    def put(data: bytes) -> None:
        digest.update(data)
        stream.write(data)

    for item in part.items:
        stated = _size(item)
        put(_header(item, stated))
        if isinstance(item, File):
            written = 0
            for chunk in _chunks(item.content):
                put(chunk)
                written += len(chunk)
            if written != stated:
                raise ProgramError(f"{item.content!r} changed while it was put into an image")
            put(bytes(_padded(written) - written))
    put(_END)
    return digest.hexdigest()


def entry(path: str, size: int = 0) -> tarfile.TarInfo:
    """A tar entry without any trace of who made it, and when."""
    info = tarfile.TarInfo(path)
    info.size, info.mode = size, 0o644
    return info


def buffer(info: tarfile.TarInfo) -> bytes:
    """The header as bytes, with what long names need in front of it."""
    return info.tobuf(format=tarfile.GNU_FORMAT, encoding="utf-8")


def _header(item: Item, size: int) -> bytes:
    info = entry(item.path, size)
    match item:
        case Folder(mode=mode):
            info.type, info.mode = tarfile.DIRTYPE, mode
        case File(mode=mode):
            info.mode = mode
        case Link(target=target):
            info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, target
    return buffer(info)


def _size(item: Item) -> int:
    return item.size_bytes if isinstance(item, File) else 0


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _chunks(content: Path | bytes) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
