"""Addresses and files of a real node: what its parts agree on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from llmdctl.sandbox.home import Home

ADDRESS = "172.31.255.1"  # of the node, on a bridge without ports inside its own network namespace
ADDRESS_WITH_PREFIX = f"{ADDRESS}/24"
BRIDGE = "node0"
POD_RANGE = "10.244.0.0/24"
DNS_ADDRESS = "10.96.0.10"  # of the cluster's DNS service
CLUSTER_DOMAIN = "cluster.local"
KUBELET_ROOT = "/var/lib/kubelet"  # inside the node: sockets lie below it, whose whole path may have 107 bytes only
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"  # inside the node's own /run

INIT = "node"
RELAY = "relay"
CONTAINERD = "containerd"
KUBELET = "kubelet"
KUBE_PROXY = "kube-proxy"


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The files of a real node below the sandbox's home."""

    home: Home

    @property
    def root(self) -> Path:
        """All of them."""
        return self.home.path / "node"

    @property
    def settings(self) -> Path:
        """What init has to know, as JSON."""
        return self.root / "settings.json"

    @property
    def ready(self) -> Path:
        """Written by init once mounts, network and cgroups stand."""
        return self.root / "ready"

    @property
    def tools(self) -> Path:
        """First folder of the daemons' PATH."""
        return self.root / "bin"

    @property
    def containerd(self) -> Path:
        """containerd's images and snapshots."""
        return self.root / "containerd"

    @property
    def kubelet(self) -> Path:
        """kubelet's root: volumes of the pods."""
        return self.root / "kubelet"

    @property
    def temporary(self) -> Path:
        """The daemons' TMPDIR."""
        return self.root / "tmp"

    @property
    def network(self) -> Path:
        """CNI configuration."""
        return self.root / "cni"

    @property
    def disguise(self) -> Path:
        """Files that stand in for some of /proc and /sys."""
        return self.root / "disguise"

    @property
    def cgroup(self) -> str:
        """The name of the node's cgroup, without a slash: the same for one home, another for any other."""
        digest = hashlib.sha256(str(self.home.path).encode()).hexdigest()[:8]
        return f"llmdctl-{self.home.name}-{digest}"

    def file(self, name: str) -> Path:
        """A configuration file."""
        return self.root / name
