"""What a check is: a code, a rule, the facts it needs, and what its page says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from llmdctl.model.finding import Severity
from llmdctl.preflight.verdict import Verdict

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case

Rule = Callable[["Case"], Verdict]
"""Pure. Raises UnknowableError (most often through `case.section`) where a fact is missing, nothing else."""

CATEGORIES: Final = {
    "01": "client", "02": "access", "03": "version", "04": "crds", "05": "gateway", "06": "hardware",
    "07": "interconnect", "08": "capacity", "09": "model", "10": "storage", "11": "secrets", "12": "images",
    "13": "policy", "14": "autoscaling", "15": "releases", "16": "recipe",
}  # fmt: skip
"""The two digits after LD -> the category."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One check. `needs` are sections of the inventory without which it is unknown, by their names."""

    code: str
    slug: str
    title: str  # a few words, without full stop
    severity: Severity  # what a failed rule weighs: ERROR fails, WARNING warns, NOTE is said and passes
    rule: Rule
    needs: tuple[str, ...] = ()
    why: str  # for its page: what goes wrong without it, with the public source of the fact
    remedy: str  # for its page: what to do, in general
    sources: tuple[str, ...] = ()  # public addresses, or project and version

    @property
    def category(self) -> str:
        """From the code."""
        return CATEGORIES[self.code[2:4]]
