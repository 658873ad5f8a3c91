"""A report in sentences and rows that every way of writing it shares. Pure; what is cut is said to be cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from llmdctl.errors import PreflightError, StrictWarningError
from llmdctl.model.check import CheckResult, NodeSummary, Outcome, PlacedPod, PreflightReport
from llmdctl.preflight.checks import CHECKS

TITLES: Final[Mapping[Outcome, str]] = {
    Outcome.FAIL: "Failed",
    Outcome.WARN: "Warnings",
    Outcome.UNKNOWN: "Unknown",
    Outcome.PASS: "Passed",
    Outcome.SKIP: "Does not apply",
}
_LISTED: Final = 6  # nodes, or reasons, of one role in a table; the JSON report has all of them


def exit_code(report: PreflightReport, *, strict: bool = False) -> int:
    """3 when a check failed; 4 with `strict` when one warns; else 0. Unknown never changes it."""
    if report.of(Outcome.FAIL):
        return PreflightError.exit_code
    return StrictWarningError.exit_code if strict and report.of(Outcome.WARN) else 0


def headline(report: PreflightReport) -> str:
    """What was judged: `pd-disaggregation as pd in llm: gpt-oss-120b on h200, vllm`."""
    if not report.recipe:
        return "The cluster alone: no recipe was named"
    facets = report.facets
    cell = f"{facets.get('model', '?')} on {facets.get('accelerator', '?')}, {facets.get('engine', '?')}"
    return f"{report.recipe} as {report.release} in {report.namespace}: {cell}"


def cluster(report: PreflightReport) -> str:
    """Which cluster, as seen when."""
    platform = report.platform
    said = f"platform {platform.name} ({platform.confidence})"
    version = f"Kubernetes {report.version}" if report.version else "Kubernetes of unknown version"
    server = report.server or "a cluster without a stated address"
    return f"{server}: {version}, {said}, {_count(len(report.nodes), 'node')}, seen {report.captured_at}"


def verdict(report: PreflightReport) -> str:
    """One sentence: can it carry the recipe?"""
    counts = report.counts
    what = report.recipe or "a recipe"
    if 0 < len(report.results) < len(CHECKS) and not counts["fail"]:
        asked = f"{len(report.results)} of {len(CHECKS)} checks"
        return f"Nothing failed among {asked}: {counts['pass']} passed, {counts['unknown']} could not be decided."
    if counts["fail"]:
        return f"Not ready: {_count(counts['fail'], 'check')} failed. This cluster cannot carry {what} as asked."
    warned = f" {_count(counts['warn'], 'warning')}." if counts["warn"] else ""
    if counts["unknown"]:
        said = f"{_count(counts['unknown'], 'check')} could not be decided"
        return f"No check failed, but {said}: what was not read may still be in the way.{warned}"
    return f"Ready: {_count(counts['pass'], 'check')} passed.{warned}"


def tally(report: PreflightReport) -> str:
    """`1 failed, 3 warnings, 2 unknown, 71 passed, 40 do not apply`."""
    counts = report.counts
    return (
        f"{counts['fail']} failed, {_count(counts['warn'], 'warning')}, {counts['unknown']} unknown,"
        f" {counts['pass']} passed, {counts['skip']} do not apply"
    )


def advice(report: PreflightReport) -> str:
    """What to try first when a recipe does not fit: the platform that it was composed for. Empty where that is it."""
    composed, found = report.facets.get("platform", ""), report.platform
    if not report.recipe or found.name in (composed, "generic") or found.confidence not in ("certain", "likely"):
        return ""
    if not (report.of(Outcome.FAIL) or report.of(Outcome.UNKNOWN)):
        return ""
    made_for = f"The recipe is composed for the platform {composed or 'generic'}"
    return f"{made_for}; this looks like {found.name}: --platform {found.name}"


def by_reason(results: Iterable[CheckResult]) -> tuple[tuple[str, tuple[CheckResult, ...]], ...]:
    """(reason, its results), the commonest reason first: forty checks without nodes are one line."""
    groups: dict[str, list[CheckResult]] = {}
    for result in results:
        groups.setdefault(result.message, []).append(result)
    return tuple((reason, tuple(found)) for reason, found in sorted(groups.items(), key=lambda group: -len(group[1])))


def command(remedy: str) -> str | None:
    """The command of a remedy, None where it is a sentence."""
    return remedy[2:] if remedy.startswith("$ ") else None


@dataclass(frozen=True, kw_only=True, slots=True)
class RoleRow:
    """One role in the placement table."""

    role: str
    replicas: str  # `2 of 4`
    pods: str
    where: str  # nodes; the reasons of the pods that have none


def placement_rows(report: PreflightReport) -> tuple[RoleRow, ...]:
    """One row a role, in the order of the placement."""
    pods: dict[str, list[PlacedPod]] = {}
    for pod in report.placement.pods:
        pods.setdefault(pod.role, []).append(pod)
    counted = {row.role: row for row in report.placement.roles}
    rows = []
    for role in dict.fromkeys((*counted, *pods)):
        own, row = pods.get(role, []), counted.get(role)
        placed = sum(pod.node is not None for pod in own)
        rows.append(
            RoleRow(
                role=role,
                replicas=f"{row.replicas_placeable} of {row.replicas_wanted}" if row else "",
                pods=f"{placed} of {len(own)}",
                where=_where(own),
            )
        )
    return tuple(rows)


def _where(pods: Sequence[PlacedPod]) -> str:
    nodes = Counter(pod.node for pod in pods if pod.node is not None)
    reasons = Counter(pod.reason for pod in pods if pod.node is None)
    said = listed(f"{node} x{number}" if number > 1 else node for node, number in nodes.items())
    missing = listed((f"{number} without a node: {why}" for why, number in reasons.most_common()), between="; ")
    return "; ".join(part for part in (said, missing) if part)


def listed(words: Iterable[str], *, limit: int = _LISTED, between: str = ", ") -> str:
    """The first few, and how many more there are."""
    every = list(words)
    more = len(every) - limit
    return between.join(every[:limit]) + (f"{between}and {more} more" if more > 0 else "")


def free_of(node: NodeSummary) -> str:
    """`3 of 8 free`; what is not known is said to be unknown."""
    if not node.resource and not node.allocatable:
        return ""
    return f"{'unknown' if node.free is None else node.free} of {node.allocatable}"


def memory_of(node: NodeSummary) -> str:
    """Memory of one device, in GiB."""
    return f"{node.memory_mib / 1024:.0f} GiB" if node.memory_mib else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
