"""A real node while it is brought up: what it is made of, its files, and the command lines of its daemons."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import llmdctl
from llmdctl import programs
from llmdctl.errors import UsageError
from llmdctl.sandbox import images
from llmdctl.sandbox.images import store
from llmdctl.sandbox.node import capacity, configuration, layout, namespaces, tools
from llmdctl.sandbox.node.layout import CONTAINERD, INIT, KUBE_PROXY, KUBELET, RELAY, Layout
from llmdctl.sandbox.node.machine import RealNode
from llmdctl.sandbox.node.tools import Tools


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """Everything a real node is made of, found before anything is started."""

    node: RealNode
    tools: Tools
    programs: Mapping[str, programs.Program]
    images: tuple[images.Built, ...]
    store: Path  # containerd's, with these images in it

    def image(self, name: str) -> str:
        """The reference of one image."""
        return next(image.reference for image in self.images if image.name == name)


def users(node: RealNode) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Daemon -> (user, groups) of its client certificate."""
    return {KUBELET: (f"system:node:{node.name}", ("system:nodes",)), KUBE_PROXY: ("system:kube-proxy", ())}


def require() -> None:
    """Raise UsageError where no real node can be: it takes Linux and root."""
    if sys.platform == "linux" and os.geteuid() == 0:
        return
    found = "this user is not root" if sys.platform == "linux" else "this is not Linux"
    raise UsageError(
        f"a real node needs Linux and root; {found}",
        remedy=(
            "Either bring the sandbox up with simulated nodes only (leave --node real out), or use a cluster of your "
            "own, such as kind's: kind create cluster, then llmdctl install ... --kubeconfig FILE."
        ),
    )


def pinned_programs() -> tuple[str, ...]:
    """The programs of the catalogue that a real node and its images are made of."""
    return (KUBELET, KUBE_PROXY, *images.pinned_programs())


def find(node: RealNode, report: programs.Reporter) -> Parts:
    """Programs, packages and images of a real node, from the cache or made now. Raises ProgramError, UsageError."""
    require()
    found, built = tools.find(report), images.built(report=report)
    with tempfile.TemporaryDirectory(prefix="llmdctl-") as scratch:
        commands = Path(scratch) / "bin"
        found.install(commands)
        prepared = store.prepared(built, commands=commands, version=found.version, report=report)
    return Parts(
        node=node,
        tools=found,
        programs={name: programs.find(name, report=report) for name in (KUBELET, KUBE_PROXY)},
        images=built,
        store=prepared,
    )


def write(place: Layout, parts: Parts) -> None:
    """All files of the node, in the sandbox's home; the daemons' certificates are there already."""
    for folder in (place.root, place.temporary, place.network, place.kubelet):
        folder.mkdir(mode=0o700)
    parts.tools.install(place.tools)
    store.lay(parts.store, place.containerd)
    capacity.write(place.disguise, parts.node.capacity)
    texts = {
        "kubelet.json": configuration.kubelet(place, parts.node),
        "kube-proxy.json": configuration.kube_proxy(place, parts.node),
        "containerd.toml": configuration.containerd(place, parts.tools, pause=parts.image("pause")),
        "cni/10-node.conflist": configuration.network(place),
        "resolv.conf": "# No name outside the cluster is known.\n",
    }
    for name, text in texts.items():
        place.file(name).write_text(text, encoding="utf-8")
    settings = {
        "hostname": parts.node.name,
        "cgroup": place.cgroup,
        "keep": [str(path) for path in _needed(place)],
        "kubelet": str(place.kubelet),
        "disguise": str(place.disguise),
        "ready": str(place.ready),
    }
    place.settings.write_text(json.dumps(settings), encoding="utf-8")


def command(component: str, place: Layout, parts: Parts, *, pid: int | None, port: int) -> list[str]:
    """The command line of one part. `pid` is init's once it runs; `port` is the API server's."""
    if component == INIT:
        return namespaces.making([sys.executable, "-m", "llmdctl.sandbox.node.init", str(place.settings)])
    assert pid is not None
    if component == RELAY:
        return [sys.executable, "-m", "llmdctl.sandbox.node.relay", str(pid), str(port)]
    daemons = {
        CONTAINERD: [str(place.tools / CONTAINERD), f"--config={place.file('containerd.toml')}"],
        KUBELET: [
            str(parts.programs[KUBELET].path),
            f"--config={place.file('kubelet.json')}",
            f"--kubeconfig={place.home.kubeconfig_of(KUBELET)}",
            f"--hostname-override={parts.node.name}",
            f"--node-ip={layout.ADDRESS}",
            f"--root-dir={layout.KUBELET_ROOT}",
            f"--cert-dir={place.root / 'kubelet-certificates'}",
        ],
        KUBE_PROXY: [str(parts.programs[KUBE_PROXY].path), f"--config={place.file('kube-proxy.json')}"],
    }
    return namespaces.joining(pid, daemons[component])


def environment(component: str, place: Layout) -> dict[str, str]:
    """What a part needs in its environment beyond what all have."""
    own_package = {"PYTHONPATH": str(Path(llmdctl.__file__).parents[1]), "PYTHONUNBUFFERED": "1"}
    if component == RELAY:
        return own_package
    found = {"PATH": tools.search_path(place.tools), "TMPDIR": str(place.temporary)}
    return found | own_package if component == INIT else found


def program_of(component: str, parts: Parts) -> tuple[str, str]:
    """(path, version) of the program that a part runs, as the status shows them."""
    if component in parts.programs:
        found = parts.programs[component]
        return str(found.path), found.version
    if component == CONTAINERD:
        return str(parts.tools.found[CONTAINERD]), parts.tools.version
    return sys.executable, llmdctl.__version__


def _needed(place: Layout) -> list[Path]:
    """Folders that must stay visible even where the node hides what is around them."""
    own = [
        place.home.path,
        programs.cache_root(),
        Path(sys.prefix),
        Path(sys.base_prefix),
        Path(llmdctl.__file__).parent,
    ]
    given = [Path(found) for name in ("kubelet", "kube-proxy") if (found := shutil.which(name))]
    return [*own, *(path.parent for path in given)]
