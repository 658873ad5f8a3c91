"""A store of blocks that several simulated servers share, as a process: Redis' protocol, the least recently used go.

It stands for `valkey-server FILE` (a part of its commands, its configuration's port and maxmemory) and for
`mooncake_master --config_path=FILE`. The latter is simplified: in life the master keeps account only, and blocks travel
between the servers' memory by Mooncake's own protocol; here the master's port takes them itself.
"""

from __future__ import annotations

import asyncio
import re
import signal
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_PORT: Final = 6379  # of valkey-server without a configuration
_BLOCK_BYTES: Final = 16 * 2**20  # what one key stands for, against maxmemory
_STATE: Final = re.compile(r"^\s*([a-z_-]+)\s*[:\s]\s*(\S+)\s*$", re.MULTILINE)


@dataclass(kw_only=True)
class Store:
    """Keys with their values."""

    capacity: int  # keys
    _kept: OrderedDict[bytes, bytes] = field(default_factory=OrderedDict)

    def answer(self, words: Sequence[bytes]) -> bytes:
        """To one command."""
        command = _COMMANDS.get((words[0].upper(), len(words) - 1)) if words else None
        return command(self, *words[1:]) if command else b"-ERR unknown command or wrong number of arguments\r\n"

    def keep(self, key: bytes, value: bytes) -> bytes:
        """SET; the key that was used longest ago makes room."""
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > self.capacity:
            self._kept.popitem(last=False)
        return b"+OK\r\n"

    def has(self, key: bytes) -> bytes:
        """EXISTS; the key counts as used."""
        return b":%d\r\n" % self._used(key)

    def get(self, key: bytes) -> bytes:
        """GET."""
        return b"$%d\r\n%s\r\n" % (len(self._kept[key]), self._kept[key]) if self._used(key) else b"$-1\r\n"

    def drop(self, key: bytes) -> bytes:
        """DEL."""
        return b":%d\r\n" % (self._kept.pop(key, None) is not None)

    def size(self) -> bytes:
        """DBSIZE."""
        return b":%d\r\n" % len(self._kept)

    def clear(self) -> bytes:
        """FLUSHALL."""
        self._kept.clear()
        return b"+OK\r\n"

    def _used(self, key: bytes) -> bool:
        if key not in self._kept:
            return False
        self._kept.move_to_end(key)
        return True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it closes."""
        try:
            while words := await _command(reader):
                writer.write(self.answer(words))
                await writer.drain()
        except (OSError, EOFError, ValueError):
            pass  # a client that goes, or speaks another protocol
        finally:
            writer.close()


_COMMANDS: Final[dict[tuple[bytes, int], Callable[..., bytes]]] = {
    (b"PING", 0): lambda _: b"+PONG\r\n",
    (b"SET", 2): Store.keep,
    (b"EXISTS", 1): Store.has,
    (b"GET", 1): Store.get,
    (b"DEL", 1): Store.drop,
    (b"DBSIZE", 0): Store.size,
    (b"FLUSHALL", 0): Store.clear,
}
"""Name and number of arguments -> answer."""


async def _command(reader: asyncio.StreamReader) -> list[bytes]:
    head = await reader.readline()
    if not head:
        return []
    if not head.startswith(b"*"):
        return head.split()  # as typed into a terminal
    words = []
    for _ in range(int(head[1:])):
        length = int((await reader.readline())[1:])
        words.append((await reader.readexactly(length + 2))[:-2])
    return words


def settings(words: Sequence[str]) -> tuple[int, int]:
    """(port, keys) of a command line: a configuration file of either program, or none."""
    files = [word.partition("=")[2] or word for word in words if not word.startswith("--") or "config_path=" in word]
    text = "".join(Path(file).read_text(encoding="utf-8") for file in files)
    stated = dict(_STATE.findall(text))
    port = int(stated.get("rpc_port") or stated.get("port") or _PORT)
    return port, max(int(stated.get("maxmemory") or 0) // _BLOCK_BYTES, 1) if stated.get("maxmemory") else 100_000


def main(words: Sequence[str]) -> None:
    """Serve until a signal."""
    asyncio.run(_serve(*settings(words)))


async def _serve(port: int, capacity: int) -> None:
    done = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, done.set)
    server = await asyncio.start_server(Store(capacity=capacity).serve, None, port)
    async with server:
        await done.wait()
