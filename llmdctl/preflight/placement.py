"""Where every pod of a recipe would go."""

from __future__ import annotations

from llmdctl.model.check import Outcome, Placement
from llmdctl.preflight.case import Case
from llmdctl.preflight.verdict import UnknowableError


def place(case: Case) -> Placement:
    """Where every pod of the recipe would go; never raises, its outcome is unknown at worst."""
    try:
        case.section("nodes")
        case.section("pods")
    except UnknowableError as cause:
        return Placement(outcome=Outcome.UNKNOWN, reason=str(cause))
    return Placement(outcome=Outcome.UNKNOWN, reason="placement has not been computed")
