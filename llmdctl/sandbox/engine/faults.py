"""Switches that let the engine go wrong on purpose, at start (LLMDCTL_ENGINE_FAULTS) and while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


class SwitchError(ValueError):
    """There is no such switch, or it does not take this value; the text says which."""


@dataclass(kw_only=True)
class Faults:
    """What is wrong now."""

    slow: float = 1.0  # a step takes this many times as long
    hang: bool = False  # no step ends; /health goes on saying 200, as that of a hung engine does
    error_rate: float = 0.0  # part of the requests that end with HTTP 500
    stale_metrics: bool = False  # gauges stay as they are
    lost_kv: bool = False  # what a prefill computed is gone when it is fetched
    deaf_metrics: bool = False  # /metrics answers 503
    no_events: bool = False  # KV events are not sent
    unhealthy: bool = False  # /health answers 503, as an engine whose core has died
    _changed: asyncio.Event = field(default_factory=asyncio.Event, repr=False, compare=False)

    async def pause(self) -> None:
        """Wait as long as the engine hangs."""
        while self.hang:
            self._changed.clear()
            await self._changed.wait()


def shown(faults: Faults) -> dict[str, Any]:
    """Every switch by name."""
    return {each.name: getattr(faults, each.name) for each in fields(faults) if not each.name.startswith("_")}


def switch(faults: Faults, wanted: Mapping[str, Any]) -> None:
    """Set what is named; all or nothing. Raises SwitchError."""
    known = shown(faults)
    for name, value in wanted.items():
        if name not in known:
            raise SwitchError(f"no fault {name!r}; there are {', '.join(known)} and crash")
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if number is isinstance(known[name], bool):
            raise SwitchError(f"{name} takes {'true or false' if isinstance(known[name], bool) else 'a number'}")
    for name, value in wanted.items():
        setattr(faults, name, value)
    faults._changed.set()
