"""Time that passes only in `sleep`."""

from __future__ import annotations

from collections.abc import Callable

from llmdctl.release import Clock

START_S = 1_800_000_000.0


class FakeClock:
    """`clock` is what the use cases take; `at(s, do)` makes something happen when that much time has passed."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self._due: list[tuple[float, Callable[[], object]]] = []

    @property
    def clock(self) -> Clock:
        return Clock(monotonic=lambda: self.elapsed_s, now=lambda: START_S + self.elapsed_s, sleep=self.sleep)

    def at(self, moment_s: float, do: Callable[[], object]) -> None:
        self._due.append((moment_s, do))
        self._due.sort(key=lambda entry: entry[0])

    def sleep(self, duration_s: float) -> None:
        assert duration_s >= 0
        self.elapsed_s += duration_s
        while self._due and self._due[0][0] <= self.elapsed_s:
            self._due.pop(0)[1]()
