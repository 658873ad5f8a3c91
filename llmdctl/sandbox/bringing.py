"""One attempt at bringing a sandbox up, from an empty folder to a plane that answers."""

from __future__ import annotations

import contextlib
import functools
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llmdctl import __version__, programs
from llmdctl.errors import LlmdctlError
from llmdctl.programs.cache import Entry
from llmdctl.sandbox import components, definitions, furnish, kubeconfig, stored
from llmdctl.sandbox.api import Api
from llmdctl.sandbox.certificates import Authority, Pair, token_keys
from llmdctl.sandbox.components import Ports
from llmdctl.sandbox.etcd import Etcd
from llmdctl.sandbox.extras import Extra, Setting
from llmdctl.sandbox.home import Home
from llmdctl.sandbox.node import forwarding, layout
from llmdctl.sandbox.node.parts import Parts
from llmdctl.sandbox.node.parts import users as users_of
from llmdctl.sandbox.node.standing import Standing
from llmdctl.sandbox.nodes import SimulatedNodes
from llmdctl.sandbox.ports import free_ports
from llmdctl.sandbox.record import Record
from llmdctl.sandbox.starting import Starter


def administrator(place: Home, ports: Ports) -> Api:
    """A client of this sandbox with all rights."""
    pair = Pair(certificate=place.pki / "admin.crt", key=place.pki / "admin.key")
    return Api(port=ports.api_server, authority=place.pki / "ca.crt", client=pair)


class Bringing:
    """A sandbox on its way up. `parts` are those of a real node, None where all nodes are simulated."""

    def __init__(
        self,
        place: Home,
        available: Mapping[str, programs.Program],
        extras: Sequence[Extra],
        parts: Parts | None,
        report: programs.Reporter,
    ) -> None:
        """Choose ports and write the record; nothing is started yet."""
        self.place = place
        self.available = available
        self.extras = extras
        self.parts = parts
        self.report = report
        names = Ports.__dataclass_fields__
        self.ports = Ports(**dict(zip(names, free_ports(len(names)), strict=True)))
        self.starter = Starter(place, Record(ports=self.ports, extras=tuple(extra.name for extra in extras)))
        self.real = Standing(self.starter, parts, report) if parts else None
        self._restored = False  # whether etcd had the CRDs before the API server began
        self._began_s = time.monotonic()

    @property
    def setting(self) -> Setting:
        """Where the extras stand."""
        address = layout.ADDRESS if self.parts else None
        return Setting(home=self.place, ports=self.ports, node_address=address, listening=self.starter.listening)

    def run(self, nodes: Sequence[SimulatedNodes]) -> None:
        """Files, processes, contents, nodes: in the order in which each needs the one before."""
        self._write_files()
        if self.real:
            self.real.begin()
        self._start(components.ETCD)
        crds = [*definitions.from_modules(self.report), *definitions.written_from_documentation()]
        known = stored.entry(crds, self.available[components.API_SERVER])
        self._start_plane(crds, known)
        with administrator(self.place, self.ports) as api:
            if self.real:
                self.real.join(api)
            self._furnish(api, crds, known)
            self._set_nodes(api, nodes)
            for extra in self.extras:
                self._add(api, extra)
            if self.real:
                self.real.finish(api)
        self.starter.note(complete=True)
        self._say(f"sandbox '{self.place.name}' is up")

    def _say(self, what: str) -> None:
        self.report(f"{what} after {time.monotonic() - self._began_s:.1f} s")

    def _furnish(self, api: Api, crds: Sequence[dict[str, object]], known: Entry) -> None:
        """Everything of the plane that stands on a running API server."""
        self._start(components.CONTROLLER_MANAGER)
        self._start(components.SCHEDULER)
        self._load(api, crds, known)
        played = frozenset[str]().union(*(extra.plays for extra in self.extras))
        furnish.load_stages(api, self.place.config / "simulated.log", without=played)
        self._start(components.KWOK)
        authority = self.place.pki / "ca.crt"
        furnish.load_lws(api, webhook_port=self.ports.lws_webhook, authority=authority, report=self.report)
        self._start(components.LWS)
        furnish.load_gateway_classes(api)
        furnish.load_storage_class(api)
        self._start(components.ROUTING)

    def _set_nodes(self, api: Api, nodes: Sequence[SimulatedNodes]) -> None:
        listening = self.starter.listening
        self.report(f"creating {sum(group.count for group in nodes)} simulated nodes")
        self.starter.wait(lambda: listening(self.ports.kwok), "kwok")
        furnish.set_nodes(api, nodes, self.ports.kwok)
        self.starter.wait(lambda: listening(self.ports.lws_webhook), "the LWS controller")
        self.starter.wait(lambda: furnish.classes_accepted(api), "the routing component")

    def _add(self, api: Api, extra: Extra) -> None:
        """Objects, then processes, then patience, as for the plane itself."""
        self.report(f"starting {extra.title}")
        extra.furnish(api, self.setting, self.report)
        for part in extra.parts:
            self._spawn(part.name, part.arguments(self.setting), part.environment(self.setting))
        for part in extra.parts:
            self.starter.wait(functools.partial(part.ready, self.setting), part.name)
        self.starter.wait(lambda: extra.settled(api, self.setting), extra.title)

    def _load(self, api: Api, crds: Sequence[dict[str, object]], known: Entry) -> None:
        """The CRDs, unless the API server found them in etcd; then they are kept for the next one."""
        if self._restored:
            furnish.until_served(api, crds)
            return
        self.report(f"loading {len(crds)} CRDs")
        furnish.load_definitions(api, crds)
        try:
            with self._etcd() as etcd:
                stored.keep(known, etcd, self.report)
        except LlmdctlError as error:  # such as a cache that cannot be written: the next start is slower, no more
            self.report(f"the CRDs are not kept for the next start: {error.message}")

    @contextlib.contextmanager
    def _etcd(self) -> Iterator[Etcd]:
        """A client of etcd, in whichever network it stands."""
        pair = Pair(certificate=self.place.pki / "etcd.crt", key=self.place.pki / "etcd.key")
        with contextlib.ExitStack() as stack:
            port, node = self.ports.etcd_http, self.starter.record.node
            if node is not None:
                port = stack.enter_context(forwarding.opened(node.pid, ("127.0.0.1", port)))
            yield stack.enter_context(Etcd(port=port, authority=self.place.pki / "ca.crt", client=pair))

    def _start_plane(self, crds: Sequence[dict[str, Any]], known: Entry) -> None:
        listening = self.starter.listening
        self.report("starting etcd and kube-apiserver")
        self.starter.wait(lambda: listening(self.ports.etcd_http) and listening(self.ports.etcd), "etcd")
        with self._etcd() as etcd:
            self._restored = stored.restore(known, etcd)
        self._start(components.API_SERVER, definitions=[crd["metadata"]["name"] for crd in crds])
        self.starter.wait(lambda: listening(self.ports.api_server), "kube-apiserver")
        with administrator(self.place, self.ports) as api:
            self.starter.wait(api.ready, "kube-apiserver")

    def _start(self, component: str, definitions: Sequence[str] = ()) -> None:
        """A component of the plane, as `llmdctl.sandbox.components` describes it."""
        address = layout.ADDRESS if self.parts else None
        arguments = components.arguments(
            component, home=self.place, ports=self.ports, node_address=address, definitions=definitions
        )
        self._spawn(component, arguments, components.environment(component))

    def _spawn(self, component: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        found = self.available.get(component)
        program = str(found.path if found else components.interpreter())
        self.starter.spawn(
            component,
            self.starter.network([program, *arguments]),
            environment,
            program=program,
            version=found.version if found else __version__,
        )

    def _write_files(self) -> None:
        place, ports = self.place, self.ports
        for folder in (place.pki, place.logs, place.config, place.config / "lws-webhook"):
            folder.mkdir(mode=0o700)
        authority = Authority(place.pki)
        token_keys(place.pki)
        self._write_certificates(authority)
        webhook = place.config / "lws-webhook"
        shutil.copyfile(place.pki / f"{components.LWS}.crt", webhook / "tls.crt")
        shutil.copyfile(place.pki / f"{components.LWS}.key", webhook / "tls.key")
        (webhook / "tls.key").chmod(0o600)
        (place.config / "lws.json").write_text(components.lws_configuration(place, ports), encoding="utf-8")
        own = [who.user for extra in self.extras for who in extra.identities.values()]
        own += [user for user, _ in users_of(self.parts.node).values()] if self.parts else []
        (place.config / "audit-policy.json").write_text(components.audit_policy(own), encoding="utf-8")
        for extra in self.extras:
            extra.write(self.setting)
        if self.real:
            self.real.write()

    def _write_certificates(self, authority: Authority) -> None:
        """One for each server and each client, and the clients' kubeconfigs."""
        place = self.place
        addresses = (layout.ADDRESS,) if self.parts else ()
        authority.issue("etcd", user="etcd")
        authority.issue("apiserver", user=components.API_SERVER, addresses=addresses)
        authority.issue("front-proxy", user="front-proxy")
        clients = {place.kubeconfig: authority.issue("admin", user="llmdctl:admin", groups=("system:masters",))}
        users = components.USERS | (users_of(self.parts.node) if self.parts else {})
        for component, (user, groups) in users.items():
            names = (self.parts.node.name,) if self.parts and component == layout.KUBELET else ()
            clients[place.kubeconfig_of(component)] = authority.issue(
                component, user=user, groups=groups, names=names, addresses=addresses
            )
        for component, who in ((part, who) for extra in self.extras for part, who in extra.identities.items()):
            clients[place.kubeconfig_of(component)] = authority.issue(
                component, user=who.user, groups=who.groups, names=who.names
            )
        server = f"https://127.0.0.1:{self.ports.api_server}"
        for path, pair in clients.items():
            kubeconfig.write(
                path, name=f"llmdctl-{place.name}", server=server, authority=authority.certificate, client=pair
            )
