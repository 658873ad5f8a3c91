"""What was seen of a cluster, once: sections of trimmed objects, each with its own outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class Seen(StrEnum):
    """How reading a section went."""

    OK = "ok"
    NOT_SERVED = "not-served"  # the server has no such kind: known, and empty
    FORBIDDEN = "forbidden"
    TIMED_OUT = "timed-out"
    FAILED = "failed"  # the server answered with something else than an answer
    ABSENT = "absent"  # nobody asked: an older file, plain kubectl output, or no recipe at hand


KNOWN: Final = frozenset({Seen.OK, Seen.NOT_SERVED})


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """Objects of one sort as the API gives them, without what no check reads."""

    seen: Seen
    reason: str = ""  # in words, for every outcome but ok, and where ok does not mean all
    items: tuple[Mapping[str, Any], ...] = ()
    seconds: float = 0.0  # that reading it took
    namespace: str = ""  # only of this namespace; empty: of all, or of a kind that has none

    @property
    def known(self) -> bool:
        """Whether an empty section means that there is nothing."""
        return self.seen in KNOWN


ABSENT: Final = Section(seen=Seen.ABSENT, reason="the inventory does not hold it")


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """One cluster at one moment, under one identity."""

    captured_at: str  # RFC 3339, UTC
    llmdctl: str  # the version that captured it
    server: str = ""  # the address; empty when unknown or redacted
    context: str = ""
    redacted: bool = False
    sections: Mapping[str, Section] = field(default_factory=dict)  # by the names of llmdctl.model.sections

    def section(self, name: str) -> Section:
        """The section, ABSENT where it was not captured."""
        return self.sections.get(name, ABSENT)
