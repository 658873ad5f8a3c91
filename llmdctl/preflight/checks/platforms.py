"""Whose Kubernetes is this?"""

from __future__ import annotations

from typing import Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.verdict import Verdict, passed, unknown, warned


def _platform(case: Case) -> Verdict:
    found = case.platform
    seen = tuple(Evidence(object="Cluster//", observed=text) for text in found.evidence)
    reason = "; ".join(found.evidence)
    if found.confidence == "unknown":
        return unknown(f"Which platform this is cannot be told ({reason}). State it with --platform.", seen)
    chosen = case.recipe.facets.get("platform") if case.recipe else None
    text = f"{found.name} ({found.confidence}): {reason}."
    if chosen and chosen != found.name and not {chosen, found.name} & {"generic", "on-prem"}:
        return warned(
            f"The recipe is made for {chosen}; this is {text}",
            seen,
            f"Add --platform {found.name}, or say that you mean {chosen}.",
        )
    return passed(f"This is {text}", seen)


CHECKS: Final = (
    Check(
        code="LD0213",
        slug="platform",
        title="The platform is known",
        severity=Severity.NOTE,
        rule=_platform,
        needs=("nodes",),
        why="Node selectors, storage classes and network resources differ by platform. It is told from marks that"
        " only the"
        " platform makes; the label cloud.google.com/gke-accelerator is none, for CoreWeave writes it too.",
        remedy="State the platform with --platform.",
        sources=(
            "https://github.com/skypilot-org/skypilot/issues/5628",
            "https://docs.coreweave.com/docs/products/cks/concepts/workload-scheduling",
        ),
    ),
)
