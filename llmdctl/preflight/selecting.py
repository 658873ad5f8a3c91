"""Which checks run, and which failures are only said: names as people write them, looked up among those there are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches

from llmdctl.errors import Problem, UsageError
from llmdctl.preflight.check import CATEGORIES, Check


def selected(only: Collection[str], checks: Mapping[str, Check]) -> tuple[Check, ...]:
    """The checks that `only` names by code or by category; all of them when it is empty.

    Raises UsageError with every name that is neither.
    """
    if not only:
        return tuple(checks.values())
    wanted = _known(only, (*checks, *CATEGORIES.values()), what="no code of a check and no category")
    return tuple(check for check in checks.values() if check.code in wanted or check.category in wanted)


def known_codes(codes: Collection[str], checks: Mapping[str, Check]) -> frozenset[str]:
    """`codes` as checks write them. Raises UsageError with every one that is no check's."""
    return frozenset(_known(codes, tuple(checks), what="no code of a check"))


def _known(names: Iterable[str], choices: Collection[str], *, what: str) -> list[str]:
    """Each name in its own spelling: `ld0801` is LD0801."""
    spelled = {choice.casefold(): choice for choice in choices}
    unknown = [name for name in names if name.casefold() not in spelled]
    if unknown:
        raise UsageError(
            "There is no such check.",
            problems=tuple(
                Problem(message=f"'{name}' is {what}.", suggestion=_nearest(name, choices)) for name in unknown
            ),
            remedy="All checks: llmdctl preflight --explain all",
        )
    return [spelled[name.casefold()] for name in names]


def _nearest(name: str, choices: Collection[str]) -> str | None:
    by_case = {choice.casefold(): choice for choice in choices}
    found = get_close_matches(name.casefold(), by_case, n=1)
    return by_case[found[0]] if found else None
