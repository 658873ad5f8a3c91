"""What a proof is: a code, a claim, a pure judgement over what was observed, and what its page says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from llmdctl.model.check import Outcome
from llmdctl.model.proof import Reading

if TYPE_CHECKING:
    from llmdctl.release.verify.observed import Observed

FAMILIES: Final = {
    "01": "endpoint", "02": "scheduler", "03": "pool", "04": "prefix", "05": "disaggregation", "06": "kv-cache",
    "07": "transport", "08": "flow-control", "09": "autoscaling", "10": "placement", "11": "streaming", "12": "engine",
}  # fmt: skip
"""The two digits after LV -> the family."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a judgement came to."""

    outcome: Outcome
    message: str
    evidence: tuple[Reading, ...] = ()
    remedy: tuple[str, ...] = ()


class UnknowableError(Exception):
    """A fact is missing; the text says which and why."""

    def __init__(self, reason: str, *, remedy: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


class NotConcernedError(Exception):
    """The claim is not made of this release; the text says why."""

    def __init__(self, reason: str, *, remedy: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.remedy = remedy


def passed(message: str, *evidence: Reading) -> Verdict:
    """It holds."""
    return Verdict(outcome=Outcome.PASS, message=message, evidence=evidence)


def failed(message: str, *evidence: Reading, remedy: tuple[str, ...] = ()) -> Verdict:
    """It does not hold."""
    return Verdict(outcome=Outcome.FAIL, message=message, evidence=evidence, remedy=remedy)


def warned(message: str, *evidence: Reading, remedy: tuple[str, ...] = ()) -> Verdict:
    """It holds, and something is worth a look."""
    return Verdict(outcome=Outcome.WARN, message=message, evidence=evidence, remedy=remedy)


Judge = Callable[["Observed"], Verdict]
"""Pure. Raises UnknowableError where a fact is missing and NotConcernedError where nothing is claimed, nothing else."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """One proof as it stands in the registry.

    `sends`: names of the requests of `plan` that it looks at. `awake`: it can hold or not only while an engine serves.
    """

    code: str
    slug: str
    title: str  # a few words, without full stop
    claim: str
    judge: Judge
    sends: tuple[str, ...] = ()
    awake: bool = False
    why: str  # for its page: what goes wrong unnoticed without it
    reads: str  # for its page: where it looks
    remedy: str  # for its page: what to do, in general
    sources: tuple[str, ...] = ()  # public addresses, or project and version

    @property
    def family(self) -> str:
        """From the code."""
        return FAMILIES[self.code[2:4]]
