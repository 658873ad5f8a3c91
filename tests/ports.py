"""Ports for the servers that tests start. Each process of tests has a hundred of its own, and hands them out in turn.

One that is asked of the system and given back is nobody's until its server listens: meanwhile another worker may be
given it, or it becomes the near end of somebody's connection. These lie below Linux's range for that (32768-60999), and
below those of sandboxes (20000-32000).
"""

from __future__ import annotations

import random
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from itertools import cycle, islice
from pathlib import Path

from filelock import FileLock, Timeout

_FIRST, _LAST = 10_000, 20_000
_EACH = 100


def free_port() -> int:
    """One that nobody listens on, at any address of this machine."""
    return free_ports(1)


def free_ports(number: int) -> int:
    """The first of some ports that follow each other."""
    own, turn = _own(), _turn()
    for first in islice(turn, 2 * _EACH):
        wanted = range(first, first + number)
        if wanted.stop <= own.stop and all(map(_free, wanted)):
            list(islice(turn, number - 1))  # they are given away too
            return first
    raise AssertionError("a process of tests has no ports left")


@cache
def _turn() -> Iterator[int]:
    return cycle(_own())


@cache
def _own() -> range:
    """This process's ports. The lock goes with the process, however that ends."""
    folder = Path(tempfile.gettempdir()) / "llmdctl-test-ports"
    folder.mkdir(exist_ok=True)
    starts = range(_FIRST, _LAST, _EACH)
    for first in random.sample(starts, len(starts)):
        lock = FileLock(folder / f"{first}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        _LOCKS.enter_context(lock)
        return range(first, first + _EACH)
    raise AssertionError(f"all ports between {_FIRST} and {_LAST} belong to other processes of tests")


_LOCKS = ExitStack()


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what has ended may still be waiting for packets
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
