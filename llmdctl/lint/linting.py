"""Runs every rule over what was read, takes out what a person chose to ignore, and puts the rest in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llmdctl.lint.manifest import Manifest
from llmdctl.lint.rules import RULES
from llmdctl.lint.suppression import Suppression, mistaken
from llmdctl.lint.world import Versions, World
from llmdctl.model.finding import ORDER, Finding, Report


def lint(
    manifests: Sequence[Manifest],
    *,
    versions: Versions | None = None,
    suppression: Suppression | None = None,
    found: Iterable[Finding] = (),
    complete: bool = True,
) -> Report:
    """The report over `manifests`; `found` are findings that reading them gave already.

    Without `complete`, the manifests are a part of something: what is missing may stand elsewhere.
    """
    world = World(manifests, versions, complete=complete)
    findings = [*found, *mistaken(world), *(finding for rule in RULES for finding in rule.check(world))]
    chosen = suppression or Suppression()
    kept = [finding for finding in findings if not chosen.ignores(finding, world)]
    unique = {(f.code, f.object, f.path, f.line, f.message): f for f in kept}
    return Report(
        findings=tuple(sorted(unique.values(), key=_order)),
        objects=len(world.manifests),
        ignored=len(findings) - len(kept),
    )


def lint_objects(objects: Iterable[Mapping[str, Any]], *, versions: Versions | None = None) -> Report:
    """The report over objects that were rendered or read from a cluster, without files."""
    return lint([Manifest(value=value) for value in objects], versions=versions)


def _order(finding: Finding) -> tuple[str, int, int, str, str, str]:
    weight = ORDER.index(finding.severity)
    return (finding.file or "", finding.line or 0, weight, finding.code, finding.object, finding.path)
