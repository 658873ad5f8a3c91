"""A diagnosis for people: the chain with its first broken hop, and what mends it, ready to copy."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from llmdctl.cli.output import console
from llmdctl.model.check import Outcome
from llmdctl.model.hop import BROKEN, HEALTHY, Also, Chain, Diagnosis, Hop

_WORDS: Final = {
    Outcome.PASS: "ok", Outcome.FAIL: "BROKEN", Outcome.WARN: "warn", Outcome.UNKNOWN: "unknown", Outcome.SKIP: "-"
}  # fmt: skip
_HANG: Final = " " * 20
_INDENT: Final = " " * 6
_WIDEST: Final = 10_000


def page(found: Diagnosis) -> str:
    """Every chain, and the verdict."""
    width = min(console().width, _WIDEST)
    return "\n".join([*(line for chain in found.chains for line in _chain(chain, width)), _verdict(found)])


def _chain(chain: Chain, width: int) -> Iterator[str]:
    yield f"{chain.pool}{f' at {chain.entrance}' if chain.entrance else ''}"
    for hop in chain.hops:
        text = " ".join(part for part in (hop.object + ":" if hop.object else "", hop.saw) if part)
        yield from _wrapped(f"  {hop.name.value:<9} {_WORDS[hop.outcome]:<7} {text}", width, _HANG)
        if hop.outcome in (Outcome.FAIL, Outcome.UNKNOWN) or hop.remedy:
            yield from _mending(hop, width)
    for also in chain.also:
        yield ""
        yield from _also(also, width)
    yield ""


def _mending(hop: Hop, width: int) -> Iterator[str]:
    if hop.expected:
        yield from _wrapped(f"{_INDENT}expected: {hop.expected}", width, _INDENT + "  ")
    for entry in hop.evidence:
        yield from _wrapped(f"{_INDENT}- {entry.object}: {entry.observed}", width, _INDENT + "  ")
    yield from _remedy(hop.remedy, width)


def _also(also: Also, width: int) -> Iterator[str]:
    yield from _wrapped(f"  also      {_WORDS[also.outcome]:<7} {also.object}: {also.message}", width, _HANG)
    for entry in also.evidence:
        yield from _wrapped(f"{_INDENT}- {entry.object}: {entry.observed}", width, _INDENT + "  ")
    yield from _remedy(also.remedy, width)


def _remedy(remedy: tuple[str, ...], width: int) -> Iterator[str]:
    """Sentences are wrapped, commands never: what is copied must run."""
    for entry in remedy:
        if entry.startswith("$ "):
            yield f"{_INDENT}{entry}"
        else:
            yield from _wrapped(f"{_INDENT}{entry}", width, _INDENT)


def _wrapped(text: str, width: int, hang: str) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False)


def _verdict(found: Diagnosis) -> str:
    if found.exit_code == HEALTHY:
        answered = sum(chain.answered for chain in found.chains)
        return f"Nothing is broken; {answered} of {len(found.chains)} entrances answered a request."
    if found.exit_code == BROKEN:
        said = [f"{chain.pool}: the {chain.broken.name.value}" for chain in found.chains if chain.broken]
        return f"Broken: {', '.join(said)}." if said else "The chain holds, and something else is broken: see `also`."
    undecided = sorted({hop.name.value for chain in found.chains for hop in chain.undecided})
    return f"Nothing is broken as far as it could be looked at; unknown: {', '.join(undecided)}."
