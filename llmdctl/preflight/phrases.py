"""Words of messages that every check shares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_LISTED: Final = 6


def listed(words: Iterable[str], *, limit: int = _LISTED, between: str = ", ") -> str:
    """The first few, and how many more there are."""
    every = list(words)
    more = len(every) - limit
    return between.join(every[:limit]) + (f"{between}and {more} more" if more > 0 else "")


def counted(number: int, noun: str) -> str:
    """`1 CRD`, `2 CRDs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def all_of(number: int, noun: str) -> str:
    """`The CRD`, `All 2 CRDs`."""
    return f"The {noun}" if number == 1 else f"All {number} {noun}s"
