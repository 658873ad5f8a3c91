"""Time as the use cases see it, so that tests wait for nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """Three views of time, all in seconds."""

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time  # since the epoch, to compare with timestamps of the cluster
    sleep: Callable[[float], None] = time.sleep


SYSTEM_CLOCK = Clock()
