"""Progress of an install: a live table on a terminal, one line a change elsewhere, nothing with --quiet."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from llmdctl.cli.output import console, say, session

if TYPE_CHECKING:
    from rich.live import Live

    from llmdctl.release.events import Event, WaitTick

PRESENT = "there"  # the whole state of kinds that have no readiness of their own, such as a ConfigMap
HEARTBEAT_S = 30.0  # a silent job is killed by many CI systems


@contextlib.contextmanager
def progress() -> Iterator[Callable[[Event], None]]:
    """A reporter for the time of one use case, fit for where stderr goes."""
    if session.quiet:
        from llmdctl.release.events import silent

        yield silent
        return
    if not sys.stderr.isatty() or not console(stderr=True).is_interactive:
        yield Lines()
        return
    from rich.live import Live

    with Live(console=console(stderr=True), refresh_per_second=4, transient=True) as live:
        yield Table(live)


class Lines:
    """One line for each change; while waiting, a sign of life every half minute."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}
        self._last_line_s = time.monotonic()

    def __call__(self, event: Event) -> None:
        from llmdctl.release.events import WaitTick

        if isinstance(event, WaitTick):
            self._tick(event)
        elif text := describe(event):
            self._line(text)

    def _tick(self, tick: WaitTick) -> None:
        for state in tick.objects:
            if state.reason == PRESENT:
                continue
            shown = f"{state.readiness.value}: {state.reason}"
            if self._seen.get(str(state.key)) != shown:
                self._seen[str(state.key)] = shown
                self._line(f"{state.key} {shown}")
        if time.monotonic() - self._last_line_s > HEARTBEAT_S:
            self._line(f"Still waiting: {tick.elapsed_s:.0f} s so far, {tick.left_s:.0f} s left.")

    def _line(self, text: str) -> None:
        self._last_line_s = time.monotonic()
        say(text)


class Table:
    """The objects and pods as they are, redrawn in place."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def __call__(self, event: Event) -> None:
        from rich.console import Group
        from rich.text import Text

        from llmdctl.cli.views.releases import objects_table, pods_table
        from llmdctl.release.events import WaitTick

        if isinstance(event, WaitTick):
            left = Text(f"\nWaiting: {event.elapsed_s:.0f} s so far, {event.left_s:.0f} s left.", style="dim")
            self._live.update(Group(objects_table(event.objects), Text(""), pods_table(event.pods), left))
        elif text := describe(event):
            self._live.console.print(text)


def describe(event: Event) -> str:
    """One event that is no tick, in words; empty for one that needs none."""
    from llmdctl.release.events import Noticed, ObjectChanged, PhaseFinished, PhaseStarted

    match event:
        case PhaseStarted(phase=phase, detail=detail):
            return f"{phase}: {detail}" if detail else phase
        case PhaseFinished(phase=phase, detail=detail, elapsed_s=elapsed_s):
            return f"{phase}: {detail} ({elapsed_s:.1f} s)" if detail else ""
        case ObjectChanged(key=key, action=action):
            return f"{action} {key}"
        case Noticed(message=message):
            return message
        case _:
            return ""
