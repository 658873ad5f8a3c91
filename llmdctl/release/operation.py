"""Telling an operation that still runs from one whose process was killed.

Helm marks a release `pending` while it works on it, and a killed Helm leaves that mark behind. llmdctl writes next to
it which process works: host, process and its start time. So a later run on the same host knows, and does not guess.
"""

from __future__ import annotations

import hashlib
import os
import socket
from enum import Enum
from functools import cache
from typing import Final

import psutil

_TOLERANCE_S: Final = 2  # start times are read with the precision of the kernel's clock tick


class Operator(Enum):
    """What is known of the process that works, or worked, on a release."""

    THIS = "this process"
    ALIVE = "a process that runs"
    GONE = "a process that ended"
    ELSEWHERE = "a process on another machine"
    UNKNOWN = "another tool"


@cache
def this_operation() -> str:
    """How this process signs what it starts: `host.pid.start`, fit for a label."""
    return f"{_host()}.{os.getpid()}.{int(psutil.Process().create_time())}"


def operator_of(signature: str) -> Operator:
    """Who signed."""
    if not signature:
        return Operator.UNKNOWN
    if signature == this_operation():
        return Operator.THIS
    host, pid, start = (*signature.split("."), "", "")[:3]
    if not (pid.isdigit() and start.isdigit()):
        return Operator.UNKNOWN
    if host != _host():
        return Operator.ELSEWHERE
    try:
        started_s = psutil.Process(int(pid)).create_time()
    except psutil.Error:
        return Operator.GONE
    return Operator.ALIVE if abs(started_s - int(start)) <= _TOLERANCE_S else Operator.GONE


def has_orphan(signature: str) -> bool:
    """Whether a helm that outlived the process with this signature still runs here: it carries it in its arguments."""
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and any(signature in argument for argument in process.cmdline()):
                return True
        except psutil.Error:  # it ended meanwhile, or belongs to somebody else
            continue
    return False


def _host() -> str:
    """A short name for this machine since it booted: process numbers mean nothing beyond that."""
    identity = f"{socket.gethostname()} {int(psutil.boot_time()) // 60}"
    return hashlib.sha256(identity.encode()).hexdigest()[:12]
