"""What verify says: one proof a claim about a running release, with the numbers it was read from; all as a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llmdctl.model.check import OUTCOMES, Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One place that was looked at. Empty strings where there is nothing to say."""

    where: str  # `Pod/ns/name vllm:prefix_cache_hits_total`, `ConfigMap/ns/name`, `Pod/ns/name log`
    before: str = ""
    after: str = ""  # or what was seen, where there is no before
    expected: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """One claim and what it came to."""

    code: str  # LV0402; stable, never used again for something else
    slug: str  # prefix-hits-rise
    title: str
    family: str  # endpoint, scheduler, pool, prefix, ...
    claim: str  # what is claimed of this release, in a sentence
    outcome: Outcome
    message: str  # a sentence with the numbers, or why it is skipped or unknown
    evidence: tuple[Reading, ...] = ()
    remedy: tuple[str, ...] = ()  # sentences, or commands that begin with `$ `
    requests: int = 0  # of the requests sent, those that this proof looks at
    doc: str = ""  # the page in guides/proofs


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyReport:
    """All proofs of one release, in the order of their codes."""

    release: str
    namespace: str
    recipe: str  # empty when llmdctl did not install it
    revision: int
    server: str
    entrance: str  # where requests went in; empty when there was no way
    asleep: tuple[str, ...]  # roles at zero that KEDA brings back when somebody asks; empty where one answers
    requests: int  # sent to the model, all proofs together
    budget: int  # the most that would have been sent
    seconds: float
    proofs: tuple[Proof, ...] = ()

    @property
    def counts(self) -> Mapping[str, int]:
        """Outcome -> number of proofs, every outcome named."""
        return {outcome.value: len(self.of(outcome)) for outcome in OUTCOMES}

    def of(self, outcome: Outcome) -> tuple[Proof, ...]:
        """The proofs with one outcome."""
        return tuple(proof for proof in self.proofs if proof.outcome is outcome)
