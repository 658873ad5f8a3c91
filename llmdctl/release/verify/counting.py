"""Counters before and after, over the pods of a release."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from llmdctl.model.proof import Reading
from llmdctl.release.verify.claim import UnknowableError
from llmdctl.release.verify.names import LATE, epp_names, first, names
from llmdctl.release.verify.observed import EnginePod, Observed


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A counter of one pod between two moments."""

    pod: str
    place: str
    name: str  # of the metric
    before: float
    after: float

    @property
    def by(self) -> float:
        """How much it has risen; below zero after a restart."""
        return self.after - self.before

    def reading(self, expected: str = "") -> Reading:
        """As evidence."""
        return Reading(
            where=f"{self.place} {self.name}", before=number(self.before), after=number(self.after), expected=expected
        )


def number(value: float) -> str:
    """`1280`, `0.25`, without a fraction where there is none."""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}"


def changes(
    seen: Observed, pods: Iterable[EnginePod], counted: str, *, before: str, after: str
) -> tuple[Change, ...]:  # fmt: skip
    """A counter of each pod that could be read at both moments. Raises UnknowableError where that is none of them.

    A counter that appears after its first use only (`LATE`) counts as 0 where the engine exposes anything at all.
    """
    found, reasons = [], []
    for pod in pods:
        try:
            candidates = names(seen.role(pod).engine.name, counted)
            old, new = seen.scrape(before, pod.name), seen.scrape(after, pod.name)
        except UnknowableError as missing:
            reasons.append(missing.reason)
            continue
        was, now = first(old, candidates), first(new, candidates)
        if now is None and (counted not in LATE or not new.samples):
            reasons.append(f"{pod.name} exposes none of {', '.join(candidates)}")
            continue
        name, value = now or (candidates[0], 0.0)
        # The same name before and after: another one may count something else.
        old_value = first(old, (name,)) if was is not None else None
        found.append(
            Change(pod=pod.name, place=pod.place, name=name, before=old_value[1] if old_value else 0.0, after=value)
        )
    if not found:
        raise UnknowableError(reasons[0] if reasons else "no pod could be read")
    return tuple(found)


def epp_changes(seen: Observed, counted: str, *, before: str, after: str) -> tuple[Change, ...]:
    """The same of the endpoint picker's pods."""
    candidates, found, reasons = epp_names(seen.stack.epp_version, counted), [], []
    for pod in seen.epps:
        if not pod.ready:
            continue
        try:
            old, new = seen.epp_scrape(before, pod.name), seen.epp_scrape(after, pod.name)
        except UnknowableError as missing:
            reasons.append(missing.reason)
            continue
        now = first(new, candidates)
        if now is None and counted not in LATE:
            reasons.append(f"{pod.name} exposes none of {', '.join(candidates)}")
            continue
        name, value = now or (candidates[0], 0.0)
        was = first(old, (name,))
        found.append(
            Change(pod=pod.name, place=pod.place, name=name, before=was[1] if was else 0.0, after=value)
        )  # fmt: skip
    if not found:
        raise UnknowableError(reasons[0] if reasons else "no pod of the endpoint picker is ready")
    return tuple(found)


def risen(found: Iterable[Change]) -> float:
    """The rise of all together."""
    return sum(each.by for each in found)
