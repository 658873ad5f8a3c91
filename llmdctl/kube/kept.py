"""Connections to ports of pods that wait for another request: opening one costs all who take part some 25 ms of CPU."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from llmdctl.kube.tunnel import Tunnel

IDLE_S: Final = 4.0
"""How long one is kept: less than the 5 s after which a server may close it, the least that is usual
(uvicorn's `timeout_keep_alive`, https://uvicorn.dev/settings/#timeouts; vLLM's VLLM_HTTP_TIMEOUT_KEEP_ALIVE)."""
_MOST: Final = 64  # in all; the oldest goes first

Place = tuple[str, str, int]
"""Namespace, pod, port."""


class Kept:
    """Tunnels between two requests. Several threads may ask."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: list[tuple[float, Place, Tunnel]] = []  # the oldest first
        weakref.finalize(self, _close, self._waiting)  # who asks no more says so to nobody

    def take(self, place: Place) -> Tunnel | None:
        """One that is open to a place, for its taker alone; None where there is none."""
        with self._lock:
            self._drop_old()
            for entry in [one for one in reversed(self._waiting) if one[1] == place]:
                self._waiting.remove(entry)
                if entry[2].quiet:
                    return entry[2]
                entry[2].close()  # the other side has closed it, or says what nobody asked
        return None

    def give(self, place: Place, tunnel: Tunnel) -> None:
        """Keep one whose answer has been read to the end."""
        with self._lock:
            self._waiting.append((self._clock(), place, tunnel))
            self._drop_old()

    def _drop_old(self) -> None:
        oldest_s = self._clock() - IDLE_S
        while self._waiting and (self._waiting[0][0] < oldest_s or len(self._waiting) > _MOST):
            self._waiting.pop(0)[2].close()


def _close(waiting: list[tuple[float, Place, Tunnel]]) -> None:
    while waiting:
        waiting.pop()[2].close()
