"""Switches that let the engine go wrong on purpose."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(kw_only=True)
class Faults:
    """What is wrong now."""

    slow: float = 1.0  # a step takes this many times as long
    hang: bool = False  # no step ends
    error_rate: float = 0.0  # part of the requests that end with HTTP 500
    stale_metrics: bool = False  # gauges stay as they are
    lost_kv: bool = False  # what a prefill computed is gone when it is fetched
    deaf_metrics: bool = False  # /metrics answers 503

    async def pause(self) -> None:
        """Wait as long as the engine hangs."""
        while self.hang:
            await asyncio.sleep(0.05)
