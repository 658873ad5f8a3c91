"""A real node on its way up, in step with the control plane that it joins."""

from __future__ import annotations

import functools

import psutil

from llmdctl import programs
from llmdctl.sandbox import components, images
from llmdctl.sandbox.api import Api
from llmdctl.sandbox.node import joining, namespaces, parts
from llmdctl.sandbox.node.layout import CONTAINERD, CONTAINERD_SOCKET, INIT, KUBE_PROXY, KUBELET, RELAY, Layout
from llmdctl.sandbox.node.parts import Parts
from llmdctl.sandbox.ports import listening
from llmdctl.sandbox.record import Real
from llmdctl.sandbox.starting import Starter


class Standing:
    """Four steps, in this order: `write` files, `begin` namespaces and containerd, `join` the plane, `finish`."""

    def __init__(self, starter: Starter, made_of: Parts, report: programs.Reporter) -> None:
        """Nothing is written or started yet."""
        self._starter = starter
        self._parts = made_of
        self._report = report
        self._place = Layout(home=starter.place)

    def write(self) -> None:
        """The node's files, once the daemons' certificates are there, and the values that name its images."""
        parts.write(self._place, self._parts)
        images.write_values(self._starter.place.values, self._parts.node.accelerator)

    def begin(self) -> None:
        """Namespaces with their network, the way in from the host, and containerd, which has the images already."""
        self._report("starting a real node")
        outer = self._spawn(INIT, pid=None)
        self._starter.wait(self._place.ready.exists, "the node's namespaces")
        pid = namespaces.init_of(outer)
        assert pid is not None  # it has written the file
        started_s = psutil.Process(pid).create_time()
        self._starter.note(node=Real(name=self._parts.node.name, pid=pid, started_s=started_s))
        self._spawn(RELAY, pid=pid)
        self._spawn(CONTAINERD, pid=pid)
        port = self._starter.record.ports.api_server
        self._starter.wait(lambda: listening(port), "the relay")

    def join(self, api: Api) -> None:
        """kubelet and kube-proxy, on a running API server."""
        pid = self._pid
        self._starter.wait(namespaces.path_in(pid, CONTAINERD_SOCKET).exists, CONTAINERD)
        dns_image = self._parts.image("coredns")
        joining.prepare(api, self._parts.node, api_server=components.API_SERVER, dns_image=dns_image)
        self._spawn(KUBELET, pid=pid)
        self._spawn(KUBE_PROXY, pid=pid)

    def finish(self, api: Api) -> None:
        """Wait until pods can run: node Ready in its whole shape, DNS answering."""
        node = self._parts.node
        self._starter.wait(functools.partial(joining.registered, api, node), KUBELET)
        joining.shape(api, node)
        self._starter.wait(functools.partial(joining.ready, api, node), f"node {node.name}")
        self._starter.wait(functools.partial(joining.resolving, api), "the cluster's DNS")

    @property
    def _pid(self) -> int:
        node = self._starter.record.node
        assert node is not None
        return node.pid

    def _spawn(self, component: str, *, pid: int | None) -> int:
        port = self._starter.record.ports.api_server
        program, version = parts.program_of(component, self._parts)
        return self._starter.spawn(
            component,
            parts.command(component, self._place, self._parts, pid=pid, port=port),
            parts.environment(component, self._place),
            program=program,
            version=version,
        )
