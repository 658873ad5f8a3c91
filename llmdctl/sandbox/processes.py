"""Processes that outlive the command that started them, and are found again by who they are.

Two marks identify one: pid with start time, written down when it starts, and the sandbox's folder in its environment.
The second also finds a process whose starter was killed before it could write anything down.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "LLMDCTL_SANDBOX_HOME"
_START_TOLERANCE_S = 1.0  # start times are computed from the boot time, which a clock correction moves a little
_GONE_LIMIT_S = 10.0
_EXEC_LIMIT_S = 1.0
_STANDARD_ERROR = 2
_KEPT_VARIABLES = ("GOGC", "PATH", "TMPDIR", "LANG", "TZ")


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """One recorded process. `started_s` is its start in seconds since the epoch."""

    component: str
    pid: int
    started_s: float
    program: str
    version: str

    @property
    def alive(self) -> bool:
        """Whether this very process still runs; another one with its pid does not count, nor does a zombie."""
        return same_process(self.pid, self.started_s)


def same_process(pid: int, started_s: float) -> bool:
    """Whether the process `pid` is the one that started at `started_s`, and has not ended."""
    try:
        found = psutil.Process(pid)
        ended = found.status() == psutil.STATUS_ZOMBIE
        return not ended and abs(found.create_time() - started_s) < _START_TOLERANCE_S
    except psutil.Error:
        return False


def start(
    component: str,
    command: Sequence[str],
    *,
    home: Path,
    log: Path,
    version: str,
    program: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Process:
    """Start `command` in a session of its own, its output appended to `log`, marked as belonging to `home`.

    `program` is what is written down where `command` reaches it through another one.
    Raises OSError when the program cannot be started.
    """
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    variables = kept | {"HOME": str(home), MARK: str(home)} | dict(environment or {})
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
        *((os.POSIX_SPAWN_CLOSE, handle) for handle in _inherited()),
    ]
    pid = os.posix_spawn(command[0], list(command), variables, file_actions=actions, setsid=True)
    return Process(
        component=component,
        pid=pid,
        started_s=_started_s(pid),
        program=program or command[0],
        version=version,
    )


def _inherited() -> list[int]:
    """Open files that a child would get from whoever started us: one may be a lock, held then as long as it lives."""
    folder = Path("/dev/fd")  # of this process, on Linux and macOS
    numbers = [int(entry.name) for entry in folder.iterdir()] if folder.is_dir() else []
    found = []
    for number in numbers:
        with contextlib.suppress(OSError):  # the handle that read the folder is closed by now
            if number > _STANDARD_ERROR and os.get_inheritable(number):
                found.append(number)
    return found


def _started_s(pid: int) -> float:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:  # ended already; whoever waits for it will see and say so
        return time.time()


def belonging_to(home: Path) -> list[int]:
    """The pids of all processes of this user that carry the mark of `home`."""
    pids = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if _environment(process).get(MARK) == str(home):
                pids.append(process.pid)
    return pids


def _environment(process: psutil.Process) -> dict[str, str]:
    """The environment of a process, also of one whose program has only just begun.

    Between the end of the old program and the start of the new one, exec(2) shows neither environment nor command
    line; on a busy machine that lasts for milliseconds. Kernel threads show none ever, but they have no program.
    """
    deadline_s = time.monotonic() + _EXEC_LIMIT_S
    while not (found := process.environ()) and not process.cmdline() and process.exe():
        if time.monotonic() > deadline_s:
            break
        time.sleep(0.001)
    return dict(found or process.environ())


def end(home: Path, recorded: Iterable[Process]) -> int:
    """End every process of a sandbox at once, and wait until none is left. Returns how many there were.

    They are killed, not asked: their state is thrown away with them, and a graceful end of the API server waits for
    open watches. Raises TimeoutError when a process stays.
    """
    known = tuple(recorded)
    pids = {process.pid for process in known if process.alive} | set(belonging_to(home))
    deadline_s = time.monotonic() + _GONE_LIMIT_S
    remaining = pids
    while remaining:
        for pid in remaining:
            with contextlib.suppress(psutil.Error):
                psutil.Process(pid).kill()
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"processes {sorted(remaining)} do not end")
        time.sleep(0.02)
        remaining = {pid for pid in remaining if _running(pid)} | set(belonging_to(home))
    _reap(pids, 0)  # killed, so this waits for their last threads only
    _reap({process.pid for process in known}, os.WNOHANG)
    return len(pids)


def _reap(pids: Iterable[int], options: int) -> None:
    """Collect those that this very command had started; others are not ours to collect."""
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, options)


def _running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
