"""Several requests at once, none of which can keep the program waiting beyond its limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_Result = TypeVar("_Result")


@dataclass(slots=True)
class _Work(Generic[_Result]):
    """What is to do, and what came of it; everything behind `changed`."""

    jobs: Sequence[Callable[[], _Result]]
    changed: threading.Condition = field(default_factory=threading.Condition)
    taken: int = 0
    ended: int = 0
    closed: bool = False
    results: dict[int, _Result] = field(default_factory=dict)
    errors: dict[int, BaseException] = field(default_factory=dict)

    def take(self) -> int | None:
        with self.changed:
            if self.closed or self.taken == len(self.jobs):
                return None
            self.taken += 1
            return self.taken - 1

    def run(self) -> None:
        while (number := self.take()) is not None:
            try:
                result = self.jobs[number]()
            except BaseException as error:  # noqa: BLE001 - raised again where the results are asked for
                with self.changed:
                    self.errors[number] = error
            else:
                with self.changed:
                    self.results[number] = result
            with self.changed:
                self.ended += 1
                self.changed.notify_all()


def abreast(
    jobs: Sequence[Callable[[], _Result]], *, threads: int, until_s: float, clock: Callable[[], float] = time.monotonic
) -> list[_Result | None]:
    """The result of each job, in order; None for one that had not ended at `until_s` on the clock.

    Such a job is left alone: its thread ends with the program. Raises the first error of a job as soon as it is met.
    """
    work = _Work(jobs)
    for _ in range(min(threads, len(jobs))):
        threading.Thread(target=work.run, daemon=True, name="llmdctl-read").start()
    with work.changed:
        try:
            while work.ended < len(jobs) and not work.errors and clock() < until_s:
                work.changed.wait(max(0.0, until_s - clock()))
        finally:
            work.closed = True
        for number in sorted(work.errors):
            raise work.errors[number]
        return [work.results.get(number) for number in range(len(jobs))]
