"""What a rule says: an outcome with a sentence, what was seen, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from llmdctl.model.check import Evidence, Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The outcome of one rule."""

    outcome: Outcome
    message: str
    evidence: tuple[Evidence, ...] = ()
    remedy: tuple[str, ...] = ()


class UnknowableError(Exception):
    """A fact that a rule asked for is not known; the text says why. It becomes the outcome unknown."""


def passed(message: str, evidence: Iterable[Evidence] = ()) -> Verdict:
    """It is as it should be."""
    return Verdict(outcome=Outcome.PASS, message=message, evidence=tuple(evidence))


def failed(message: str, evidence: Iterable[Evidence] = (), *remedy: str) -> Verdict:
    """The recipe cannot work like this. Of a check that only warns, this is a warning."""
    return Verdict(outcome=Outcome.FAIL, message=message, evidence=tuple(evidence), remedy=remedy)


def warned(message: str, evidence: Iterable[Evidence] = (), *remedy: str) -> Verdict:
    """It works, or may work, but not as somebody would want it."""
    return Verdict(outcome=Outcome.WARN, message=message, evidence=tuple(evidence), remedy=remedy)


def skipped(reason: str) -> Verdict:
    """It does not concern this recipe or this cluster."""
    return Verdict(outcome=Outcome.SKIP, message=reason)


def unknown(reason: str, evidence: Iterable[Evidence] = ()) -> Verdict:
    """Nobody can tell from what was read."""
    return Verdict(outcome=Outcome.UNKNOWN, message=reason, evidence=tuple(evidence))
