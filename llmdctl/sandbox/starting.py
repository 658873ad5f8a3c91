"""Starting the processes of a sandbox: each is written down at once, and any that ends makes the whole attempt fail."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

from llmdctl.errors import LlmdctlError, ProgramError
from llmdctl.sandbox import furnish, record
from llmdctl.sandbox.home import Home
from llmdctl.sandbox.node import namespaces
from llmdctl.sandbox.ports import listening
from llmdctl.sandbox.processes import start
from llmdctl.sandbox.record import Record

_START_LIMIT_S = 180.0  # on a machine that does much else; a quiet one needs a tenth
_LOG_TAIL_LINES = 5


class Starter:
    """The processes of one attempt. `record` is what has been written down of it so far."""

    def __init__(self, place: Home, beginning: Record) -> None:
        """Write the record of an attempt that has started nothing yet."""
        self.place = place
        self.record = beginning
        record.write(place, beginning)

    def note(self, **changes: object) -> None:
        """Change the record, and write it down."""
        self.record = dataclasses.replace(self.record, **changes)  # type: ignore[arg-type]
        record.write(self.place, self.record)

    def spawn(
        self, component: str, command: Sequence[str], environment: Mapping[str, str], *, program: str, version: str
    ) -> int:
        """Start `command` and return its pid. Raises ProgramError when it cannot be started."""
        try:
            process = start(
                component,
                command,
                home=self.place.path,
                log=self.place.log_of(component),
                version=version,
                program=program,
                environment=environment,
            )
        except OSError as error:
            raise ProgramError(f"{component} cannot be started: {error.strerror or error}") from error
        self.note(processes=(*self.record.processes, process))
        return process.pid

    def network(self, command: Sequence[str]) -> list[str]:
        """`command` in the network where this sandbox's control plane stands: the real node's, else the host's."""
        if self.record.node is None:
            return list(command)
        return namespaces.joining_network(self.record.node.pid, command)

    @property
    def listening(self) -> Callable[[int], bool]:
        """Whether a port is listened on, in the network of the control plane."""
        if self.record.node is None:
            return listening
        return functools.partial(namespaces.listening, self.record.node.pid)

    def wait(self, condition: furnish.Condition, component: str, *, limit_s: float = _START_LIMIT_S) -> None:
        """Wait for `condition`, and fail at once when any process of the sandbox has ended."""

        def holds() -> bool:
            if condition():
                return True
            for process in self.record.processes:
                if not process.alive:
                    raise self._ended(process.component)
            return False

        furnish.until(holds, f"{component} becoming ready", limit_s=limit_s)

    def _ended(self, component: str) -> LlmdctlError:
        log = self.place.log_of(component)
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        return ProgramError("\n".join([f"{component} ended while starting", *tail]), remedy=f"Its log is {log}.")
