"""Values in expositions, as far as a diagnosis needs them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from llmdctl.prometheus import parse


def total(text: str, names: Sequence[str]) -> float | None:
    """The sum over all series of those of `names` that are there; None where none is, which is not 0."""
    exposition = parse(text, wanted=lambda line: line.startswith(tuple(names)))
    found = [value for name in names if (value := exposition.total(name)) is not None]
    return sum(found) if found else None
