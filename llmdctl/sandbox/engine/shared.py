"""Stores of blocks that several servers share: a folder, or a server with Redis' protocol.

A block is a key; what is kept under it is its name alone, not a megabyte of noise. The key holds what the real ones
make their names of: the model, the block size and the chained hash, which follows from PYTHONHASHSEED; so servers with
other seeds do not find each other's blocks, as in life.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

_LIMIT_S: Final = 2.0  # for an answer of the store; without one the blocks are computed


class Shared(Protocol):
    """Where blocks are kept for everybody."""

    async def keep(self, names: Sequence[str]) -> int:
        """Keep these; the number that was written. OSError where the store is away."""

    async def found(self, names: Sequence[str]) -> int:
        """How many there are from the first on. OSError where the store is away."""


@dataclass(frozen=True, kw_only=True)
class Folder:
    """Files in a folder that other servers have mounted too; nothing removes them, as nothing does in vLLM."""

    root: Path

    async def keep(self, names: Sequence[str]) -> int:
        """One file a block."""
        new = [place for place in map(self._place, names) if not place.exists()]
        for place in new:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(place.name)
        return len(new)

    async def found(self, names: Sequence[str]) -> int:
        """Files that are there."""
        return next((at for at, name in enumerate(names) if not self._place(name).exists()), len(names))

    def _place(self, name: str) -> Path:
        *above, last = name.split("@")
        return self.root.joinpath(*(part.replace("/", "--") for part in above), last[:2], last)


@dataclass(kw_only=True)
class Remote:
    """A server with Redis' protocol (https://redis.io/docs/latest/develop/reference/protocol-spec/); one connection."""

    host: str
    port: int
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def keep(self, names: Sequence[str]) -> int:
        """SET of each."""
        answers = await self._ask([("SET", name, name) for name in names])
        return sum(1 for answer in answers if answer == "OK")

    async def found(self, names: Sequence[str]) -> int:
        """EXISTS of each."""
        answers = await self._ask([("EXISTS", name) for name in names])
        return next((at for at, answer in enumerate(answers) if answer != "1"), len(answers))

    async def _ask(self, commands: Sequence[Sequence[str]]) -> list[str]:
        if not commands:
            return []
        async with self._lock:
            try:
                async with asyncio.timeout(_LIMIT_S):
                    reader, writer = self._streams or await asyncio.open_connection(self.host, self.port)
                    self._streams = reader, writer
                    writer.write(b"".join(map(encoded, commands)))
                    await writer.drain()
                    return [await _simple(reader) for _ in commands]
            except (OSError, EOFError, TimeoutError) as cause:
                if self._streams:
                    self._streams[1].close()
                self._streams = None
                raise OSError(f"{self.host}:{self.port}: {str(cause) or type(cause).__name__}") from cause


def encoded(words: Sequence[str]) -> bytes:
    """A command as Redis' protocol writes it."""
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        raw = word.encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
    return b"".join(parts)


async def _simple(reader: asyncio.StreamReader) -> str:
    """An answer of one line: +OK, :1, -ERR."""
    line = (await reader.readline()).decode()
    if not line.endswith("\r\n"):
        raise EOFError("the store closed the connection")
    return line[1:-2] if line[0] in "+:" else ""
