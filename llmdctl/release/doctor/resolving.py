"""Whether this machine resolves a host name: the one question to DNS."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping


def resolved(names: Iterable[str]) -> Mapping[str, bool]:
    """Host name -> whether it has an address here."""
    return {name: _resolves(name) for name in names}


def _resolves(name: str) -> bool:
    try:
        return bool(socket.getaddrinfo(name, None))
    except OSError:
        return False
