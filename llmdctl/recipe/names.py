"""The nearest valid name to a mistyped one."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The most similar of `valid`, or None when nothing is similar; upper case and `_` for `-` cost nothing."""
    from difflib import get_close_matches

    by_plain = {_plain(choice): choice for choice in valid}
    found = get_close_matches(_plain(name), by_plain, n=1, cutoff=0.6)
    return by_plain[found[0]] if found else None


def choices(valid: Iterable[str]) -> str:
    """A sentence that lists what there is."""
    names = sorted(valid)
    return f"There is {', '.join(names)}." if names else "There is none."


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
