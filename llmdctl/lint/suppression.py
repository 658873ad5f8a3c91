"""Which findings a person has chosen not to see: by code, everywhere or on one object."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from llmdctl.errors import Problem, UsageError
from llmdctl.lint.reading import CODES as READING_CODES
from llmdctl.lint.rule import Code, codes
from llmdctl.lint.rules import CODES as RULE_CODES
from llmdctl.lint.world import ANNOTATION, World, annotated
from llmdctl.model.finding import Finding, Severity

OWN_CODES: Final = codes(
    (
        "LD1902",
        "Annotation that ignores a rule which does not exist",
        Severity.WARNING,
        "What was to be ignored is not, or not any more.",
    ),
)
CODES: Final[Mapping[str, Code]] = {**READING_CODES, **OWN_CODES, **RULE_CODES}


@dataclass(frozen=True, kw_only=True, slots=True)
class Suppression:
    """Codes that are ignored everywhere; an object's annotation ignores them on that object."""

    codes: frozenset[str] = field(default_factory=frozenset)

    def ignores(self, finding: Finding, world: World) -> bool:
        """Whether the finding is taken out."""
        return finding.code in self.codes or finding.code in world.ignored_on(finding.object)


def suppression(stated: Mapping[str, list[str]]) -> Suppression:
    """From lists of codes, each with the place where it stands (`--ignore`, a file).

    Raises UsageError with every code that does not exist.
    """
    problems = tuple(
        unknown_code(code, place) for place, codes in stated.items() for code in codes if code not in CODES
    )
    if problems:
        count = "A code" if len(problems) == 1 else f"{len(problems)} codes"
        raise UsageError(f"{count} to ignore cannot be found.", problems=problems)
    return Suppression(codes=frozenset(code for codes in stated.values() for code in codes))


def unknown_code(code: str, place: str) -> Problem:
    """What to say of a code that no rule has."""
    return Problem(file=place, message=f"no rule has the code '{code}'.", suggestion=nearest(code))


def nearest(code: str) -> str | None:
    """The code of the same family whose number is nearest, else the one that looks most like it."""
    wanted = re.fullmatch(r"LD(\d\d)(\d\d)", code.upper())
    family = [known for known in CODES if wanted and known.startswith(f"LD{wanted.group(1)}")]
    if wanted and family:
        return min(family, key=lambda known: abs(int(known[4:]) - int(wanted.group(2))))
    near = difflib.get_close_matches(code.upper(), CODES, n=1, cutoff=0.5)
    return near[0] if near else None


def mistaken(world: World) -> Iterator[Finding]:
    """Annotations that name a code which no rule has."""
    for manifest in world.manifests:
        for code in annotated(manifest.get("metadata", "annotations", ANNOTATION)):
            if code not in CODES:
                place = ("metadata", "annotations", ANNOTATION)
                near = nearest(code)
                remedy = f"Did you mean {near}?" if near else ""
                yield manifest.finding(OWN_CODES["LD1902"], place, f"No rule has the code '{code}'.", remedy)
