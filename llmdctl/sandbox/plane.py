"""The control plane as ordinary processes: up, down, status, logs.

Nothing here needs root, a container runtime, kubectl or openssl. A sandbox is its folder and its processes; `down`
takes both away, whatever state an interrupted command left them in.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from llmdctl import programs
from llmdctl.errors import ClusterError, UsageError
from llmdctl.sandbox import components, furnish, record
from llmdctl.sandbox.bringing import Bringing, administrator
from llmdctl.sandbox.extras import chosen
from llmdctl.sandbox.home import Home, home, homes, locked
from llmdctl.sandbox.node import RealNode, cgroups, forwarding, parts
from llmdctl.sandbox.node.layout import Layout
from llmdctl.sandbox.nodes import SimulatedNodes
from llmdctl.sandbox.processes import belonging_to, end
from llmdctl.sandbox.record import Record
from llmdctl.sandbox.status import SandboxStatus, describe

__all__ = ["DEFAULT_NAME", "administrator", "audit_entries", "down", "forwarded", "logs", "status", "up", "values"]

DEFAULT_NAME = "default"


def up(
    name: str = DEFAULT_NAME,
    *,
    nodes: Sequence[SimulatedNodes],
    real: RealNode | None = None,
    extras: Sequence[str] = (),
    report: programs.Reporter = programs.silent,
) -> SandboxStatus:
    """Bring the sandbox `name` up with these nodes and extras, and return once all of it is ready.

    Run again on a running sandbox it only makes the nodes those asked for; on one that was interrupted or lost a
    process it begins afresh. Raises ProgramError (a program cannot be had or ends at once), ClusterError, UsageError
    (also for extras or a real node that a running sandbox came up without, and where no real node can be).
    """
    place = home(name)
    beside = chosen(extras)
    if real is not None:
        parts.require()
    gathered = programs.gather(_needed(real is not None), report=report)
    available = {part: gathered[part] for part in components.PROGRAMS}
    available |= {part.name: part.find(report) for extra in beside for part in extra.parts if part.find}
    with locked(place):
        found = record.read(place)
        if found is not None and found.complete and found.alive:
            _refuse_later(name, _lacking(found, real, [extra.name for extra in beside]))
            report(f"sandbox '{name}' is up already; setting its nodes")
            with administrator(place, found.ports) as api:
                furnish.set_nodes(api, nodes, found.ports.kwok)
            return _status(place)
        if found is not None or belonging_to(place.path):
            report(f"sandbox '{name}' was left half-way; beginning afresh")
        made_of = parts.find(real, report) if real else None
        _clear(place)
        try:
            Bringing(place, available, beside, made_of, report).run(nodes)
        except BaseException:
            _end_processes(place)  # files stay: the logs say why
            raise
        return _status(place)


def _needed(real: bool) -> tuple[str, ...]:
    """The programs of a sandbox, and the one that installs a release in it: all at once is soonest."""
    return (*components.PROGRAMS, *(parts.pinned_programs() if real else ()), "helm")


def _lacking(found: Record, real: RealNode | None, extras: Sequence[str]) -> list[str]:
    """What is asked for now and was not when the sandbox came up."""
    node = [] if real is None or (found.node and found.node.name == real.name) else [f"the real node {real.name}"]
    return node + sorted(set(extras) - set(found.extras))


def _refuse_later(name: str, missing: Collection[str]) -> None:
    """What stands beside a plane needs certificates of an authority whose key is gone once the plane is up."""
    if missing:
        raise UsageError(
            f"sandbox '{name}' is up without {', '.join(missing)}, and cannot get it later",
            remedy=f"Take it down and bring it up anew: llmdctl sandbox down --name {name}",
        )


def down(name: str = DEFAULT_NAME, *, report: programs.Reporter = programs.silent) -> bool:
    """End every process of the sandbox and delete every file of it. Returns whether there was anything.

    Works on a sandbox that is up, half-way, broken, or whose command was killed. Raises ClusterError when a process
    cannot be ended.
    """
    place = home(name)
    existed = place.path.exists() or bool(belonging_to(place.path))
    if not existed:
        return False
    with locked(place):
        report(f"sandbox '{name}': ending its processes")
        _end_processes(place)
        place.remove()
    return True


def status(name: str = DEFAULT_NAME) -> SandboxStatus:
    """What runs, where, and what is in it. Raises UsageError when there is no sandbox of this name."""
    place = home(name)
    if not place.path.exists():
        others = ", ".join(other.name for other in homes())
        raise UsageError(
            f"there is no sandbox '{name}'",
            remedy=f"There is: {others}." if others else "Bring one up with: llmdctl sandbox up",
        )
    return _status(place)


def logs(name: str = DEFAULT_NAME, component: str = components.API_SERVER, *, tail: int | None = None) -> Iterator[str]:
    """The lines that a component has logged, the last `tail` or all. `audit` is a component here as well.

    Raises UsageError for a component that has no log.
    """
    status(name)
    place = home(name)
    path = place.log_of(component)
    if not path.is_file():
        have = ", ".join(sorted(file.stem for file in place.logs.glob("*.log")))
        raise UsageError(f"sandbox '{name}' has no log of '{component}'", remedy=f"It has: {have}.")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    yield from lines if tail is None else lines[max(0, len(lines) - tail) :]


def _status(place: Home) -> SandboxStatus:
    found = record.read(place)
    if found is None or not found.alive:
        return describe(place, found, None)
    with administrator(place, found.ports) as api:
        return describe(place, found, api)


def _end_processes(place: Home) -> None:
    found = record.read(place)
    try:
        end(place.path, found.processes if found else ())
    except TimeoutError as error:
        remedy = "End them by hand, then run down again."
        raise ClusterError(f"sandbox '{place.name}': {error}", remedy=remedy) from error
    try:
        cgroups.remove(Layout(home=place).cgroup)
    except TimeoutError as error:
        raise ClusterError(f"sandbox '{place.name}': {error}", remedy="Run down again.") from error


def _clear(place: Home) -> None:
    """An empty folder and no process. The folder itself stays: it carries the lock."""
    _end_processes(place)
    for entry in place.path.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def values(name: str = DEFAULT_NAME) -> Path:
    """The file of chart values that make a recipe use this sandbox's images. Raises UsageError where there is none."""
    found = status(name).values
    if found is None:
        raise UsageError(
            f"sandbox '{name}' has no real node, and so no images",
            remedy=f"Take it down and bring it up with one: llmdctl sandbox up --name {name} --node real",
        )
    return found


@contextlib.contextmanager
def forwarded(name: str, namespace: str, service: str, port: int | None = None, *, to: int = 0) -> Iterator[str]:
    """The address, such as `http://127.0.0.1:31234`, at which a service of this sandbox answers within the context.

    `port` is the service's, by default its first; `to` the port here, by default any free one. Connections go to the
    service's address in the real node's network, so they are balanced as a pod's are. Raises UsageError where there is
    no real node, no such service or port, ClusterError when `to` is taken.
    """
    status(name)
    place = home(name)
    found = record.read(place)
    if found is None or found.node is None or not found.alive:
        raise UsageError(
            f"sandbox '{name}' has no real node that runs, so no service answers in it",
            remedy=f"See: llmdctl sandbox status --name {name}",
        )
    with administrator(place, found.ports) as api:
        target = forwarding.target(api, namespace, service, port)
    with forwarding.opened(found.node.pid, target, to=to) as here:
        yield f"http://127.0.0.1:{here}"


def audit_entries(name: str = DEFAULT_NAME) -> Iterator[dict[str, object]]:
    """The audit log of a sandbox, one event at a time. Raises UsageError when there is no such sandbox."""
    for line in logs(name, "audit"):
        yield json.loads(line)
