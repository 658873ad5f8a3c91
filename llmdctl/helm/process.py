"""Running the helm program so that Ctrl-C ends it in order."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from llmdctl.errors import HelmError, Interrupted, ProgramError

_GRACE_S: Final = 20.0  # helm records the release as failed when it is told to stop; that takes a few requests
_LEFT_OUT: Final = ("HELM_KUBE", "HELM_DEBUG", "HELM_NAMESPACE", "HELM_DRIVER")
"""Variables that would send helm to another cluster or store than the one llmdctl looks at, or bury its message."""
_GARBAGE: Final = {"GOGC": "400"}
"""Helm is over in a second: looking for garbage less often spares a fifth of its CPU and costs it 20 MB of memory
(https://pkg.go.dev/runtime#hdr-Environment_Variables). What a person has set wins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """How a program ended."""

    code: int
    stdout: str
    stderr: str


def run(command: Sequence[str], *, limit_s: float) -> Finished:
    """Run helm and collect what it says. Raises what `start` and `Started.finish` raise."""
    return start(command).finish(limit_s=limit_s)


def start(command: Sequence[str], *, first: str | None = None) -> Started:
    """Start helm. It reads `first` from its input and waits for the rest; without it, its input is empty.

    The program gets a process group of its own, so that Ctrl-C reaches it once, from here, and it can put the
    release in order. Raises ProgramError when it cannot be started.
    """
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL if first is None else subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, encoding="utf-8", errors="replace", process_group=0, env=_environment(),
        )  # fmt: skip
    except OSError as cause:
        raise ProgramError(f"{command[0]} cannot be started: {cause.strerror or cause}") from cause
    if first is not None and process.stdin is not None:
        with suppress(BrokenPipeError):  # it ended at once, and `finish` tells why
            process.stdin.write(first)
            process.stdin.flush()
    return Started(process)


class Started:
    """A program that runs, and may wait for the rest of its input."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def finish(self, rest: str | None = None, *, limit_s: float) -> Finished:
        """Give it the rest, wait for its end, and collect what it says.

        On Ctrl-C it is told to stop, and Interrupted raised with its last words. Past `limit_s` it is ended the same
        way and HelmError raised.
        """
        process = self._process
        try:
            stdout, stderr = process.communicate(rest, timeout=limit_s)
        except subprocess.TimeoutExpired as cause:
            _, stderr = _stop(process)
            raise HelmError(
                f"helm did not end within {limit_s:.0f} s and was stopped{_quote(stderr)}",
                remedy="Raise --timeout, or see whether the API server is slow.",
            ) from cause
        except KeyboardInterrupt as cause:
            _, stderr = _stop(process)
            raise Interrupted(f"helm was told to stop{_quote(stderr)}") from cause
        return Finished(code=process.returncode, stdout=stdout, stderr=stderr)

    def abandon(self) -> None:
        """End it at once, before its input is closed: it must not take what it has for the whole."""
        _signal(self._process, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


def _environment() -> dict[str, str]:
    return _GARBAGE | {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}


def _stop(process: subprocess.Popen[str]) -> tuple[str, str]:
    """SIGINT, then SIGKILL; a second Ctrl-C while waiting goes to SIGKILL at once."""
    _signal(process, signal.SIGINT)
    try:
        return process.communicate(timeout=_GRACE_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        _signal(process, signal.SIGKILL)
        return process.communicate()


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _quote(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip()]
    return f"; it said: {lines[-1].strip()}" if lines else ""
