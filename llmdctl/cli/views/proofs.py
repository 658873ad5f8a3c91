"""A report of verify for people: what failed first, with what was read and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from llmdctl.cli.views.wrapping import Wrap
from llmdctl.model.check import Outcome
from llmdctl.model.proof import Proof, Reading, VerifyReport
from llmdctl.release.verify import wording

if TYPE_CHECKING:
    from llmdctl.release.verify import Claim

_INDENT: Final = " " * 6
_EVIDENCE: Final = 5  # readings of one proof without --verbose


def lines(report: VerifyReport, *, verbose: bool = False, width: int | None = None) -> Iterator[str]:
    """The whole report, ending with the verdict. `width` are columns; None: lines as long as their text."""
    wrap = Wrap(width)
    recipe = f" ({report.recipe})" if report.recipe else ""
    yield from wrap(f"Release {report.release}{recipe} in namespace {report.namespace}, revision {report.revision}")
    if report.entrance:
        yield from wrap(f"Requests went in at {report.entrance}.")
    yield ""
    for outcome in (Outcome.FAIL, Outcome.WARN, Outcome.UNKNOWN):
        for alike in _alike(report.of(outcome)):
            yield from _full(alike[0], wrap, verbose=verbose, besides=alike[1:])
            yield ""
    for proof in report.of(Outcome.PASS):
        yield from (_full(proof, wrap, verbose=True) if verbose else _short(proof, wrap))
    if verbose:
        for proof in report.of(Outcome.SKIP):
            yield from _short(proof, wrap)
    yield ""
    yield from wrap(f"{wording.tally(report)}; {wording.effort(report)}.")
    yield from wrap(wording.verdict(report))
    if report.asleep:
        yield from wrap("One request wakes it, and the rest is proved then:")
        yield f"{_INDENT}{wording.to_wake(report)}"


def _alike(proofs: Iterable[Proof]) -> list[list[Proof]]:
    """Those that cannot be known for one reason, which is then read once; all others apart."""
    found: dict[tuple[str, ...], list[Proof]] = {}
    for proof in proofs:
        known = proof.outcome is not Outcome.UNKNOWN or proof.evidence
        found.setdefault((proof.code,) if known else (proof.message, *proof.remedy), []).append(proof)
    return list(found.values())


def _head(proof: Proof) -> str:
    return f"{proof.outcome.value.upper():<7} {proof.code} {proof.title}"


def _short(proof: Proof, wrap: Wrap) -> Iterator[str]:
    yield from wrap(f"{_head(proof)}: {proof.message}", hang=_INDENT)


def _full(proof: Proof, wrap: Wrap, *, verbose: bool, besides: Sequence[Proof] = ()) -> Iterator[str]:
    yield from wrap(_head(proof), hang=_INDENT)
    if besides:
        yield from wrap(f"and for the same reason {', '.join(each.code for each in besides)}", indent=_INDENT)
    yield from wrap(proof.message, indent=_INDENT)
    shown = proof.evidence if verbose else proof.evidence[:_EVIDENCE]
    for each in shown:
        yield from wrap(f"- {_reading(each)}", indent=_INDENT, hang=f"{_INDENT}  ")
    if len(shown) < len(proof.evidence):
        yield f"{_INDENT}- and {len(proof.evidence) - len(shown)} more (-v shows them)"
    if proof.outcome is Outcome.PASS:
        return
    for entry in proof.remedy:  # sentences are wrapped, commands never: what is copied must run
        yield from [f"{_INDENT}{entry}"] if entry.startswith("$ ") else wrap(entry, indent=_INDENT)
    yield f"{_INDENT}Why: llmdctl verify --explain {proof.code}"


def _reading(each: Reading) -> str:
    seen = " -> ".join(part for part in (each.before, each.after) if part)
    return f"{each.where}: {seen}" + (f" (expected {each.expected})" if each.expected else "")


def explained(claim: Claim, *, width: int | None = None) -> Iterator[str]:
    """The page of one proof."""
    wrap = Wrap(width)
    yield f"{claim.code} {claim.slug} ({claim.family})"
    yield from wrap(claim.claim)
    yield ""
    yield from wrap(claim.why)
    yield ""
    yield from wrap(f"Reads: {claim.reads}")
    if claim.sends:
        yield from wrap(f"Sends: {', '.join(claim.sends)}")
    yield from wrap(f"What to do: {claim.remedy}")
    for source in claim.sources:
        yield f"Source: {source}"


def catalogue(claims: Iterable[Claim]) -> Iterator[str]:
    """One proof a line."""
    for claim in claims:
        yield f"{claim.code}  {claim.family:<15} {claim.title}"
