"""A page of metrics in Prometheus' text form; what is asked for twice by name is the same family."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Page:
    """The families of one /metrics."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._gauges: dict[str, Gauge] = {}
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}

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

    def text(self) -> bytes:
        """All of it."""
        return generate_latest(self._registry)
