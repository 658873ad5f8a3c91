"""The network of a real node, made from within its own namespace."""

from __future__ import annotations

import subprocess
from pathlib import Path

from llmdctl.sandbox.components import SERVICE_RANGE
from llmdctl.sandbox.node import layout


def make() -> None:
    """Loopback up, a bridge without ports that carries the node's address, routing between pods. Raises OSError.

    A bridge, since a kernel need not have dummy interfaces. The route for services exists so that a connection from
    the node itself to a service has a source address; kube-proxy's rules send it elsewhere before it would leave.
    """
    _ip("link", "set", "lo", "up")
    _ip("link", "add", layout.BRIDGE, "type", "bridge")
    _ip("address", "add", layout.ADDRESS_WITH_PREFIX, "dev", layout.BRIDGE)
    _ip("link", "set", layout.BRIDGE, "up")
    _ip("route", "add", SERVICE_RANGE, "dev", layout.BRIDGE)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")
