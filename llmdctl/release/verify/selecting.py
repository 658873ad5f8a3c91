"""Which claims are judged: names as people write them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from llmdctl.errors import Problem, UsageError
from llmdctl.release.verify.claim import FAMILIES, Claim
from llmdctl.release.verify.proofs import CLAIMS


def selected(only: Collection[str], skip: Collection[str]) -> tuple[Claim, ...]:
    """The claims that `only` names by code, name or family (all when it is empty), without those that `skip` names.

    Raises UsageError with every name that is none of them, and when nothing is left.
    """
    wanted, unwanted = set(_known(only)), set(_known(skip))
    found = tuple(
        claim for claim in CLAIMS.values() if (not wanted or wanted & _names(claim)) and not unwanted & _names(claim)
    )
    if not found:
        raise UsageError("--only and --skip leave no proof.")
    return found


def _names(claim: Claim) -> set[str]:
    return {claim.code, claim.slug, claim.family}


def _known(names: Iterable[str]) -> list[str]:
    choices = [*CLAIMS, *(claim.slug for claim in CLAIMS.values()), *FAMILIES.values()]
    spelled = {choice.casefold(): choice for choice in choices}
    unknown = [name for name in names if name.casefold() not in spelled]
    if unknown:
        raise UsageError(
            "There is no such proof.",
            problems=tuple(
                Problem(message=f"'{name}' is no code, name or family of a proof.", suggestion=_nearest(name, spelled))
                for name in unknown
            ),
            remedy="All proofs: llmdctl verify --explain all",
        )
    return [spelled[name.casefold()] for name in names]


def _nearest(name: str, spelled: dict[str, str]) -> str | None:
    found = get_close_matches(name.casefold(), spelled, n=1)
    return spelled[found[0]] if found else None
