"""The control plane as ordinary processes: up, down, status, logs.

Nothing here needs root, a container runtime, kubectl or openssl. A sandbox is its folder and its processes; `down`
takes both away, whatever state an interrupted command left them in.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from llmdctl import __version__, programs
from llmdctl.errors import ClusterError, LlmdctlError, ProgramError, UsageError
from llmdctl.sandbox import components, definitions, furnish, kubeconfig, record
from llmdctl.sandbox.api import Api
from llmdctl.sandbox.certificates import Authority, Pair, token_keys
from llmdctl.sandbox.components import Ports
from llmdctl.sandbox.extras import Extra, Part, Setting, chosen
from llmdctl.sandbox.home import Home, home, homes, locked
from llmdctl.sandbox.nodes import SimulatedNodes
from llmdctl.sandbox.ports import free_ports, listening
from llmdctl.sandbox.processes import belonging_to, end, start
from llmdctl.sandbox.record import Record
from llmdctl.sandbox.status import SandboxStatus, describe

DEFAULT_NAME = "default"
_START_LIMIT_S = 60.0
_LOG_TAIL_LINES = 5


def up(
    name: str = DEFAULT_NAME,
    *,
    nodes: Sequence[SimulatedNodes],
    extras: Sequence[str] = (),
    report: programs.Reporter = programs.silent,
) -> SandboxStatus:
    """Bring the sandbox `name` up with these simulated nodes and extras, and return once all of it is ready.

    Run again on a running sandbox it only makes the nodes those asked for; on one that was interrupted or lost a
    process it begins afresh. Raises ProgramError (a program cannot be had or ends at once), ClusterError, UsageError
    (also for extras that a running sandbox came up without).
    """
    place = home(name)
    beside = chosen(extras)
    available = {part: programs.find(part, report=report) for part in components.PROGRAMS}
    available |= {part.name: part.find(report) for extra in beside for part in extra.parts if part.find}
    with locked(place):
        found = record.read(place)
        if found is not None and found.complete and found.alive:
            _refuse_later(name, {extra.name for extra in beside} - set(found.extras))
            report(f"sandbox '{name}' is up already; setting its nodes")
            with administrator(place, found.ports) as api:
                furnish.set_nodes(api, nodes, found.ports.kwok)
            return _status(place)
        if found is not None or belonging_to(place.path):
            report(f"sandbox '{name}' was left half-way; beginning afresh")
        _clear(place)
        try:
            _Bringing(place, available, beside, report).run(nodes)
        except BaseException:
            _end_processes(place)  # files stay: the logs say why
            raise
        return _status(place)


def _refuse_later(name: str, missing: Collection[str]) -> None:
    """What stands beside a plane needs certificates of an authority whose key is gone once the plane is up."""
    if missing:
        raise UsageError(
            f"sandbox '{name}' is up without {', '.join(sorted(missing))}, and cannot get it later",
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


def administrator(place: Home, ports: Ports) -> Api:
    """A client of this sandbox with all rights."""
    pair = Pair(certificate=place.pki / "admin.crt", key=place.pki / "admin.key")
    return Api(port=ports.api_server, authority=place.pki / "ca.crt", client=pair)


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


def _clear(place: Home) -> None:
    """An empty folder and no process. The folder itself stays: it carries the lock."""
    _end_processes(place)
    for entry in place.path.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


class _Bringing:
    """One attempt at bringing a sandbox up, from an empty folder."""

    def __init__(
        self,
        place: Home,
        available: Mapping[str, programs.Program],
        extras: Sequence[Extra],
        report: programs.Reporter,
    ) -> None:
        self.place = place
        self.available = available
        self.extras = extras
        self.report = report
        names = Ports.__dataclass_fields__
        ports = Ports(**dict(zip(names, free_ports(len(names)), strict=True)))
        self.record = Record(ports=ports, extras=tuple(extra.name for extra in extras))
        self.setting = Setting(home=place, ports=ports)

    def run(self, nodes: Sequence[SimulatedNodes]) -> None:
        """Files, processes, contents, nodes: in the order in which each needs the one before."""
        began_s = time.monotonic()
        place, ports = self.place, self.record.ports
        record.write(place, self.record)
        self._write_files()
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(definitions.from_modules, self.report)  # beside the start of the API server
            self._start_plane()
            crds = reading.result()
        with administrator(place, ports) as api:
            self._start(components.CONTROLLER_MANAGER)
            self._start(components.SCHEDULER)
            self.report(f"loading {len(crds)} CRDs")
            furnish.load_definitions(api, [*crds, *definitions.written_from_documentation()])
            played = frozenset[str]().union(*(extra.plays for extra in self.extras))
            furnish.load_stages(api, place.config / "simulated.log", without=played)
            self._start(components.KWOK)
            authority = place.pki / "ca.crt"
            furnish.load_lws(api, webhook_port=ports.lws_webhook, authority=authority, report=self.report)
            self._start(components.LWS)
            furnish.load_gateway_classes(api)
            furnish.load_storage_class(api)
            self._start(components.ROUTING)
            self.report(f"creating {sum(group.count for group in nodes)} simulated nodes")
            self._wait(lambda: listening(ports.kwok), "kwok")
            furnish.set_nodes(api, nodes, ports.kwok)
            self._wait(lambda: listening(ports.lws_webhook), "the LWS controller")
            self._wait(lambda: furnish.classes_accepted(api), "the routing component")
            for extra in self.extras:
                self._add(api, extra)
        self.record = dataclasses.replace(self.record, complete=True)
        record.write(place, self.record)
        self.report(f"sandbox '{place.name}' is up after {time.monotonic() - began_s:.1f} s")

    def _add(self, api: Api, extra: Extra) -> None:
        """Objects, then processes, then patience, as for the plane itself."""
        self.report(f"starting {extra.title}")
        extra.furnish(api, self.setting, self.report)
        for part in extra.parts:
            self._start_part(part)
        for part in extra.parts:
            self._wait(functools.partial(part.ready, self.setting), part.name)
        self._wait(lambda: extra.settled(api, self.setting), extra.title)

    def _start_plane(self) -> None:
        ports = self.record.ports
        self.report("starting etcd and kube-apiserver")
        self._start(components.ETCD)
        self._wait(lambda: listening(ports.etcd), "etcd")
        self._start(components.API_SERVER)
        self._wait(lambda: listening(ports.api_server), "kube-apiserver")
        with administrator(self.place, ports) as api:
            self._wait(api.ready, "kube-apiserver")

    def _write_files(self) -> None:
        place, ports = self.place, self.record.ports
        for folder in (place.pki, place.logs, place.config, place.config / "lws-webhook"):
            folder.mkdir(mode=0o700)
        authority = Authority(place.pki)
        token_keys(place.pki)
        authority.issue("etcd", user="etcd")
        authority.issue("apiserver", user="kube-apiserver")
        authority.issue("front-proxy", user="front-proxy")
        server = f"https://127.0.0.1:{ports.api_server}"
        administrator_pair = authority.issue("admin", user="llmdctl:admin", groups=("system:masters",))
        clients = {place.kubeconfig: administrator_pair}
        for component, (user, groups) in components.USERS.items():
            clients[place.kubeconfig_of(component)] = authority.issue(component, user=user, groups=groups)
        for component, who in ((part, who) for extra in self.extras for part, who in extra.identities.items()):
            clients[place.kubeconfig_of(component)] = authority.issue(
                component, user=who.user, groups=who.groups, names=who.names
            )
        for path, pair in clients.items():
            kubeconfig.write(
                path, name=f"llmdctl-{place.name}", server=server, authority=authority.certificate, client=pair
            )
        webhook = place.config / "lws-webhook"
        shutil.copyfile(place.pki / f"{components.LWS}.crt", webhook / "tls.crt")
        shutil.copyfile(place.pki / f"{components.LWS}.key", webhook / "tls.key")
        (webhook / "tls.key").chmod(0o600)
        (place.config / "lws.json").write_text(components.lws_configuration(place, ports), encoding="utf-8")
        own = [who.user for extra in self.extras for who in extra.identities.values()]
        (place.config / "audit-policy.json").write_text(components.audit_policy(own), encoding="utf-8")
        for extra in self.extras:
            extra.write(self.setting)

    def _start(self, component: str) -> None:
        program = self._program(component)
        command = components.command(component, program=program, home=self.place, ports=self.record.ports)
        self._spawn(component, command, components.environment(component))

    def _start_part(self, part: Part) -> None:
        command = [self._program(part.name), *part.arguments(self.setting)]
        self._spawn(part.name, command, part.environment(self.setting))

    def _program(self, component: str) -> str:
        program = self.available.get(component)
        return str(program.path if program else components.interpreter())

    def _spawn(self, component: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        program = self.available.get(component)
        try:
            process = start(
                component,
                command,
                home=self.place.path,
                log=self.place.log_of(component),
                version=program.version if program else __version__,
                environment=environment,
            )
        except OSError as error:
            raise ProgramError(f"{component} cannot be started: {error.strerror or error}") from error
        self.record = dataclasses.replace(self.record, processes=(*self.record.processes, process))
        record.write(self.place, self.record)

    def _wait(self, condition: furnish.Condition, component: str) -> None:
        """Wait for `condition`, and fail at once when any process of the sandbox has ended."""

        def holds() -> bool:
            if condition():
                return True
            for process in self.record.processes:
                if not process.alive:
                    raise self._ended(process.component)
            return False

        furnish.until(holds, f"{component} becoming ready", limit_s=_START_LIMIT_S)

    def _ended(self, component: str) -> LlmdctlError:
        log = self.place.log_of(component)
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        return ProgramError("\n".join([f"{component} ended while starting", *tail]), remedy=f"Its log is {log}.")


def audit_entries(name: str = DEFAULT_NAME) -> Iterator[dict[str, object]]:
    """The audit log of a sandbox, one event at a time. Raises UsageError when there is no such sandbox."""
    for line in logs(name, "audit"):
        yield json.loads(line)
