"""The flags of every endpoint picker and every routing sidecar."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmdctl.lint.command import CommandLine
from llmdctl.lint.epp import nearest_version
from llmdctl.lint.epp.flags import CODES, EPP, SIDECAR
from llmdctl.lint.epp.flags import check as check_flags
from llmdctl.lint.pods import Container
from llmdctl.lint.rules.epp_config import judged_as
from llmdctl.lint.world import World
from llmdctl.model.finding import Finding, Severity

__all__ = ["CODES", "check"]

# An unknown flag of an unknown release may well be known to it.
_BY_RELEASE: Final = frozenset({"LD1840", "LD1841"})


def check(world: World) -> Iterator[Finding]:
    """All remarks, each at the word it is about."""
    for epp in world.epps:
        yield from _judged(EPP, epp.container, epp.line, judged_as(epp))
    for sidecar in world.sidecars:
        release = ".".join(str(part) for part in sidecar.version) or world.versions.epp
        yield from _judged(SIDECAR, sidecar.container, sidecar.line, nearest_version(release))


def _judged(program: str, container: Container, line: CommandLine, judged: tuple[str, bool]) -> Iterator[Finding]:
    version, exact = judged
    for item in check_flags(program, version, line, tuple(container.env)):
        severity = item.severity
        if not exact and severity is Severity.ERROR and item.code in _BY_RELEASE:
            severity = Severity.WARNING
        word = item.option.word if item.option else None
        path = ("env",) if item.code == "LD1845" else ("args",)
        yield container.finding(CODES[item.code], path, item.message, item.remedy, severity=severity, word=word)
