"""A page of metrics in Prometheus' text form; what is asked for twice by name is the same family."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_OLD_S: Final = 0.025


class Page:
    """The families of one /metrics."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._gauges: dict[str, Gauge] = {}
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._revision: int | None = None
        self._text, self._written_s = b"", 0.0

    def gauge(self, name: str, text: str, labels: Sequence[str]) -> Gauge:
        """A gauge family."""
        if name not in self._gauges:
            self._gauges[name] = Gauge(name, text, tuple(labels), registry=self._registry)
        return self._gauges[name]

    def counter(self, name: str, text: str, labels: Sequence[str]) -> Counter:
        """A counter family; `_total` is added to its name."""
        if name not in self._counters:
            self._counters[name] = Counter(name, text, tuple(labels), registry=self._registry)
        return self._counters[name]

    def histogram(self, name: str, text: str, labels: Sequence[str], buckets: Sequence[float]) -> Histogram:
        """A histogram family."""
        if name not in self._histograms:
            self._histograms[name] = Histogram(name, text, tuple(labels), buckets=buckets, registry=self._registry)
        return self._histograms[name]

    def text(self, revision: int, *, busy: bool = False) -> bytes:
        """All of it, written anew where `revision` has changed. An endpoint picker reads twenty times a second, and the
        writing takes 5 ms: while the engine is busy a page may be as old as half the time between two of its looks.
        """
        fresh = busy and time.monotonic() - self._written_s < _OLD_S
        if self._revision is None or (revision != self._revision and not fresh):
            self._text, self._revision = generate_latest(self._registry), revision
            self._written_s = time.monotonic()
        return self._text
