"""What a rule module offers: its codes, and a generator of findings over everything that was read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from llmdctl.model.finding import Finding, Severity

if TYPE_CHECKING:
    from llmdctl.lint.world import World


@dataclass(frozen=True, kw_only=True, slots=True)
class Code:
    """One kind of finding. `severity` is the usual one; a rule may say less where it is less sure."""

    code: str
    title: str  # a few words, without full stop
    severity: Severity
    doc: str  # why it matters, one or two sentences, with the public source of the fact


def codes(*rows: tuple[str, str, Severity, str]) -> Mapping[str, Code]:
    """The table of a rule module: (code, title, severity, doc) a row."""
    return {code: Code(code=code, title=title, severity=severity, doc=doc) for code, title, severity, doc in rows}


class Rule(Protocol):
    """A module of `lint.rules`. `check` yields and never raises for anything a manifest may hold."""

    CODES: Mapping[str, Code]

    def check(self, world: World) -> Iterator[Finding]: ...
