"""Namespaces of a real node: made by `unshare`, joined by `nsenter`, both from util-linux, and by our own threads."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import psutil

from llmdctl.errors import ProgramError

_NETWORK = 0x40000000  # CLONE_NEWNET, see clone(2)
_LISTENING = "0A"  # TCP_LISTEN in /proc/net/tcp, see proc(5)


def making(command: Sequence[str]) -> list[str]:
    """`command` as PID 1 of new namespaces. When it or the process that waits for it is killed, all inside end."""
    kinds = ["--net", "--mount", "--pid", "--uts", "--ipc"]
    life = ["--fork", "--kill-child=KILL", "--mount-proc", "--propagation", "private"]
    return [_tool("unshare"), *kinds, *life, "--", *command]


def joining(pid: int, command: Sequence[str]) -> list[str]:
    """`command` inside all namespaces of `pid`."""
    return [_tool("nsenter"), f"--target={pid}", "--net", "--mount", "--pid", "--uts", "--ipc", "--", *command]


def joining_network(pid: int, command: Sequence[str]) -> list[str]:
    """`command` in the network of `pid`, with the files and processes of the host."""
    return [_tool("nsenter"), f"--net=/proc/{pid}/ns/net", "--", *command]


def init_of(pid: int) -> int | None:
    """The PID 1 that the `unshare` process `pid` waits for, as the host numbers it; None while there is none."""
    try:
        children = psutil.Process(pid).children()
    except psutil.Error:
        return None
    return int(children[0].pid) if children else None


def enter_network(pid: int) -> None:
    """Move the calling thread into the network of `pid`. Raises OSError.

    Sockets that it has made before stay where they were made.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        if libc.setns(handle, _NETWORK) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(handle)


def listening(pid: int, port: int) -> bool:
    """Whether something listens on TCP `port` in the network of `pid`."""
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, *_ = line.split()
            if state == _LISTENING and int(local.rpartition(":")[2], 16) == port:
                return True
    return False


def path_in(pid: int, path: str) -> Path:
    """A file of the node's init `pid` as the host reaches it."""
    return Path(f"/proc/{pid}/root{path}")


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ProgramError(f"a real node needs '{name}'", remedy="Install the package util-linux.")
    return found
