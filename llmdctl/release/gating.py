"""Preflight as the gate of an install: nothing is changed in a cluster that cannot carry the recipe."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from llmdctl.errors import PreflightError, Problem
from llmdctl.kube import Cluster, KubernetesObject, capture
from llmdctl.model.check import CheckResult, Outcome
from llmdctl.model.finding import Severity
from llmdctl.model.recipe import Recipe
from llmdctl.model.release import ReleaseSpec
from llmdctl.preflight import CHECKS, Case, preflight
from llmdctl.preflight.check import Check
from llmdctl.preflight.crd import judged_groups
from llmdctl.preflight.selecting import known_codes
from llmdctl.release.events import Noticed, Reporter

Accelerators = Mapping[str, Mapping[str, Any]]

HANDLED: Final[Mapping[str, str]] = {
    "LD0202": "install asks the server before this",
    "LD1501": "install itself ends what an earlier run left pending",
    "LD1504": "install looks for other owners itself, and --take-ownership settles it",
}
"""Errors that are not the gate's, because install finds and settles them by itself -> how."""

_NOT_GATED: Final = frozenset({"client", "recipe"})
"""Categories that say nothing of the cluster: the linter has refused what a recipe gets wrong before."""

_FURNISHED: Final = frozenset({"LD0401", "LD0404", "LD0405", "LD0407", "LD0409", "LD0410", "LD0417", "LD0501"})
"""What is absent, and what --with-prerequisites brings: CRDs and controllers."""

_ASIDE: Final = frozenset({"version", "apis", "namespaces", "releases", "resource-claims", "node-pools"})
"""Sections that are read beside what checks say they need: whose cluster it is, whose pods they are, who holds devices
already, and whether nodes may still come."""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What a person said about preflight on the command line of an install."""

    recipe: Recipe
    accelerators: Callable[[], Accelerators]
    ignored: Collection[str] = ()
    force: bool = False
    furnishing: bool = False  # prerequisites are installed first
    platform: str | None = None
    timeout_s: float = 60.0

    def __call__(
        self, cluster: Cluster, spec: ReleaseSpec, objects: Sequence[KubernetesObject], report: Reporter
    ) -> ReleaseSpec:
        """Judge; the release with the codes that failed and that `force` or `ignored` went over, for its record.

        Raises PreflightError with every check that failed, unless it is forced. Warnings are told to `report`.
        """
        settled = _FURNISHED if self.furnishing else frozenset()
        checks = {code: check for code, check in gated().items() if code not in settled}
        case = examine(
            cluster, spec, objects, recipe=self.recipe, accelerators=self.accelerators, platform=self.platform,
            sections=sections(), timeout_s=self.timeout_s,
        )  # fmt: skip
        found = preflight(case, checks=checks, ignored=[code for code in self.ignored if code in checks])
        failed = found.of(Outcome.FAIL)
        for result in (*(failed if self.force else ()), *found.of(Outcome.WARN)):
            report(Noticed(message=_said(result)))
        if failed and not self.force:
            raise _refusal(spec, failed)
        over = tuple(result.code for result in found.results if result.outcome is Outcome.FAIL or result.ignored)
        return replace(spec, forced=spec.forced or bool(failed), overruled=over)


def _silent(line: str) -> None:
    """Says nothing of what is read."""


def known(codes: Collection[str]) -> frozenset[str]:
    """Codes that a person wants ignored, as checks write them. Raises UsageError with each that is no check's."""
    return known_codes(codes, CHECKS)


def examine(
    cluster: Cluster,
    spec: ReleaseSpec,
    objects: Sequence[KubernetesObject],
    *,
    recipe: Recipe,
    accelerators: Callable[[], Accelerators],
    platform: str | None,
    timeout_s: float,
    sections: Collection[str] | None = None,
    say: Callable[[str], None] = _silent,
) -> Case:
    """Read what checks need of the cluster (`sections`, all by default), and put it beside the recipe.

    `objects` are placed: each with its namespace. Raises the errors of the cluster's door where nothing can be asked.
    """
    with ThreadPoolExecutor(max_workers=1) as aside:  # a third of a second that passes while the server answers
        facts = aside.submit(accelerators)
        inventory = capture(
            cluster, objects=objects, namespace=spec.namespace, release=spec.name, sections=sections,
            crd_groups=judged_groups(objects, recipe), timeout_s=timeout_s, report=say,
        )  # fmt: skip
        return Case(
            inventory=inventory, objects=tuple(objects), recipe=recipe, release=spec.name, namespace=spec.namespace,
            accelerators=facts.result(), platform_stated=platform,
        )  # fmt: skip


@cache
def gated() -> Mapping[str, Check]:
    """The checks that can keep an install out."""
    return {
        code: check
        for code, check in CHECKS.items()
        if check.severity is Severity.ERROR and check.category not in _NOT_GATED and code not in HANDLED
    }


@cache
def sections() -> frozenset[str]:
    """The sections that these checks read."""
    return _ASIDE.union(*(check.needs for check in gated().values()))


def _refusal(spec: ReleaseSpec, failed: Sequence[CheckResult]) -> PreflightError:
    number = "1 check" if len(failed) == 1 else f"{len(failed)} checks"
    ignored = " ".join(f"--ignore {result.code}" for result in failed)
    return PreflightError(
        f"This cluster cannot carry {spec.recipe} as asked: {number} failed. Nothing was changed.",
        problems=tuple(
            Problem(path=f"{result.code} {result.title}", message=result.message, remedy=_first(result.remedy))
            for result in failed
        ),
        remedy=f"All about it: llmdctl preflight {spec.recipe} {spec.name} --namespace {spec.namespace}"
        f" (with the same options). Go on all the same: {ignored}, or --force.",
    )


def _first(remedy: Sequence[str]) -> str | None:
    """The first sentence; commands and manifests stand in the report of preflight."""
    return next((entry for entry in remedy if not entry.startswith("$ ")), None)


def _said(result: CheckResult) -> str:
    word = "failed" if result.outcome is Outcome.FAIL else "ignored" if result.ignored else "warns"
    return f"Preflight: {result.code} {word}: {result.message}"
