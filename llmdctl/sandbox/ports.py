"""Free ports on loopback."""

from __future__ import annotations

import random
import socket

# Below Linux's range for outgoing connections (32768-60999): a port that was free when chosen cannot be taken by
# somebody's connection before its server starts.
_FIRST, _LAST = 20000, 32000
_ATTEMPTS = 500


def free_ports(count: int) -> list[int]:
    """`count` different ports that nobody listens on at 127.0.0.1 now. Raises OSError when there are too few."""
    chosen: list[int] = []
    for port in random.sample(range(_FIRST, _LAST), _ATTEMPTS):  # two sandboxes begin at different places
        if len(chosen) == count:
            break
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        chosen.append(port)
    if len(chosen) < count:
        raise OSError(f"fewer than {count} free ports between {_FIRST} and {_LAST}")
    return chosen


def listening(port: int) -> bool:
    """Whether something accepts connections at 127.0.0.1:`port`."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
