"""What is written down about a running sandbox, so that any later command finds it again."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from llmdctl.sandbox.components import Ports
from llmdctl.sandbox.home import Home
from llmdctl.sandbox.processes import Process, same_process


@dataclass(frozen=True, kw_only=True, slots=True)
class Real:
    """The real node: `pid` is its init as the host numbers it, `started_s` when that began."""

    name: str
    pid: int
    started_s: float

    @property
    def alive(self) -> bool:
        """Whether its namespaces still stand."""
        return same_process(self.pid, self.started_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """Written after every start of a process; `complete` only once everything stands."""

    ports: Ports
    processes: tuple[Process, ...] = ()
    complete: bool = False
    node: Real | None = None
    extras: tuple[str, ...] = ()  # what `--with` named

    @property
    def alive(self) -> bool:
        """Whether all recorded processes run."""
        return (
            bool(self.processes)
            and all(process.alive for process in self.processes)
            and (not self.node or self.node.alive)
        )


def read(home: Home) -> Record | None:
    """The record, or None when there is none or it was cut short."""
    try:
        data = json.loads(home.record.read_text(encoding="utf-8"))
        return Record(
            ports=Ports(**data["ports"]),
            processes=tuple(Process(**process) for process in data["processes"]),
            complete=data["complete"],
            node=Real(**data["node"]) if data["node"] else None,
            extras=tuple(data["extras"]),
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write(home: Home, record: Record) -> None:
    """Replace the record in one step."""
    partial = home.record.with_suffix(".partial")
    partial.write_text(json.dumps(dataclasses.asdict(record), indent=2), encoding="utf-8")
    partial.replace(home.record)
