"""The text that a component exposes on /metrics -> samples. Pure.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Metric


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One line: `name{labels} value`."""

    name: str  # as written, so with _total, _bucket, _sum, _count
    labels: Mapping[str, str]
    value: float

    def has(self, **labels: str) -> bool:
        """Whether its labels have these values."""
        return labels.items() <= self.labels.items()


@dataclass(frozen=True, kw_only=True, slots=True)
class Exposition:
    """All samples of one answer, and the lines that could not be read."""

    samples: tuple[Sample, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)  # family -> counter, gauge, histogram, ...
    bad_lines: tuple[str, ...] = ()

    def of(self, name: str, **labels: str) -> tuple[Sample, ...]:
        """Samples of a name whose labels have these values."""
        return tuple(sample for sample in self.samples if sample.name == name and sample.has(**labels))

    def has(self, name: str) -> bool:
        """Whether a sample, or a family without one, has this name; `x` also finds the family of `x_total`."""
        return name in self.types or any(sample.name == name for sample in self.samples)

    def total(self, name: str, **labels: str) -> float | None:
        """The sum of the samples of a name; None where there is none, which is not 0."""
        found = self.of(name, **labels)
        return sum(sample.value for sample in found) if found else None


def parse(text: str, *, wanted: Callable[[str], bool] | None = None) -> Exposition:
    """The samples of an answer. A line that is none is kept in `bad_lines`, and the rest is read without it.

    Lines that are not `wanted` are left out: the library takes some 0.1 ms for each, and a server has thousands.
    """
    if wanted is not None:
        text = "\n".join([*filter(wanted, text.split("\n")), ""])
    try:
        return _exposition(_families(text), ())
    except ValueError:
        good, bad = _sorted_out(text.splitlines())
        return _exposition(_families("\n".join([*good, ""])), tuple(bad))


def _exposition(families: list[Metric], bad: tuple[str, ...]) -> Exposition:
    samples = tuple(
        Sample(name=sample.name, labels=dict(sample.labels), value=float(sample.value))
        for family in families
        for sample in family.samples
    )
    return Exposition(samples=samples, types={family.name: family.type for family in families}, bad_lines=bad)


def _families(text: str) -> list[Metric]:
    """Raises ValueError for the first line that cannot be read."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        return list(text_string_to_metric_families(text))
    except (ValueError, IndexError, KeyError) as cause:
        raise ValueError(str(cause)) from cause


def _sorted_out(lines: list[str]) -> tuple[list[str], list[str]]:
    """Lines that can be read alone, and the others. Slow, and needed only where one is bad."""
    good: list[str] = []
    bad: list[str] = []
    for line, readable in _judged(lines):
        (good if readable else bad).append(line)
    return good, bad


def _judged(lines: list[str]) -> Iterator[tuple[str, bool]]:
    for line in lines:
        try:
            _families(f"{line}\n")
        except ValueError:
            yield line, False
        else:
            yield line, True
