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
