"""What Helm knows of this release already: stuck, failed, another chart's, newer, other facets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from llmdctl import __version__
from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.crd import names, version
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, warned

_PREFIX: Final = "llmdctl.dev/"
_BUSY: Final = frozenset({"pending-install", "pending-upgrade", "pending-rollback", "uninstalling"})
RELEASE_NAME: Final = "meta.helm.sh/release-name"
RELEASE_NAMESPACE: Final = "meta.helm.sh/release-namespace"


@dataclass(frozen=True, kw_only=True, slots=True)
class Revision:
    """One revision of a release, as the labels of Helm's record tell it."""

    name: str
    namespace: str
    number: int
    status: str
    labels: Mapping[str, str]
    secret: str

    @property
    def identity(self) -> str:
        """As evidence names it."""
        return f"Secret/{self.namespace}/{self.secret}"


def known(case: Case) -> frozenset[tuple[str, str]]:
    """Name and namespace of every release that Helm has a record of."""
    return frozenset(_named(item) for item in case.section("releases"))


def own(case: Case) -> tuple[Revision, ...]:
    """The revisions of this release, oldest first."""
    mine = (case.release, case.namespace)
    found = (_revision(item) for item in case.section("releases") if _named(item) == mine)
    return tuple(sorted(found, key=lambda each: each.number))


def _named(item: Mapping[str, Any]) -> tuple[str, str]:
    metadata = item.get("metadata") or {}
    return str((metadata.get("labels") or {}).get("name", "")), str(metadata.get("namespace", ""))


def _revision(item: Mapping[str, Any]) -> Revision:
    metadata = item.get("metadata") or {}
    labels = metadata.get("labels") or {}
    number = str(labels.get("version", "0"))
    return Revision(
        name=str(labels.get("name", "")),
        namespace=str(metadata.get("namespace", "")),
        number=int(number) if number.isdigit() else 0,
        status=str(labels.get("status", "unknown")),
        labels=labels,
        secret=str(metadata.get("name", "")),
    )


def is_own(case: Case, item: Mapping[str, Any]) -> bool:
    """Whether Helm counts a live object as part of this release.

    https://github.com/helm/helm/blob/v3.20.0/pkg/action/validate.go
    """
    metadata = item.get("metadata") or {}
    notes = metadata.get("annotations") or {}
    return (
        (metadata.get("labels") or {}).get("app.kubernetes.io/managed-by") == "Helm"
        and notes.get(RELEASE_NAME) == case.release
        and notes.get(RELEASE_NAMESPACE) == case.namespace
    )


def identity(item: Mapping[str, Any]) -> str:
    """`Kind/namespace/name`."""
    return f"{item.get('kind')}/{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"


def _seen(revision: Revision, expected: str = "") -> tuple[Evidence, ...]:
    return (
        Evidence(
            object=revision.identity, observed=f"revision {revision.number}: {revision.status}", expected=expected
        ),
    )


def _unnamed(case: Case) -> Verdict | None:
    return None if case.release else skipped("no release was named")


def _stuck(case: Case) -> Verdict:
    unnamed, found = _unnamed(case), own(case)
    if unnamed or not found:
        return unnamed or passed(f"No release {case.release} is in namespace {case.namespace}.")
    last = found[-1]
    if last.status not in _BUSY:
        return passed(f"Release {last.name} is at revision {last.number}, {last.status}.")
    where = f"--namespace {last.namespace}"
    done = [each for each in found if each.status in ("deployed", "superseded")]
    back = f"$ helm rollback {last.name} {done[-1].number} {where}" if done else f"$ helm uninstall {last.name} {where}"
    return failed(
        f"Revision {last.number} of release {last.name} is {last.status}: Helm is at work on it, or was killed; it"
        " refuses every other change meanwhile.",
        _seen(last, "deployed"),
        "llmdctl install ends by itself what a killed llmdctl left. By hand, if nobody is installing it right now:",
        back if last.status != "uninstalling" else f"$ helm uninstall {last.name} {where}",
    )


def _broken(case: Case) -> Verdict:
    unnamed, found = _unnamed(case), own(case)
    if unnamed or not found:
        return unnamed or passed(f"No release {case.release} is in namespace {case.namespace}.")
    last = found[-1]
    if last.status != "failed":
        return passed(f"The last revision of release {last.name} did not fail ({last.status}).")
    good = any(each.status in ("deployed", "superseded") for each in found)
    return failed(
        f"The last revision ({last.number}) of release {last.name} failed"
        f"{'; an earlier one was deployed' if good else ', and none was ever deployed'}.",
        _seen(last, "deployed"),
        f"$ llmdctl status {last.name} --namespace {last.namespace}",
        "An upgrade over it works where no object is left half made; else remove it first: llmdctl uninstall.",
    )


def _taken(case: Case) -> Verdict:
    unnamed, found = _unnamed(case), own(case)
    if unnamed or not found:
        return unnamed or passed(f"The name {case.release} is free in namespace {case.namespace}.")
    last = found[-1]
    recipe = last.labels.get(f"{_PREFIX}recipe")
    if recipe and case.recipe and recipe != case.recipe.path:
        return warned(
            f"Release {last.name} serves recipe {recipe}; it would become {case.recipe.path}.",
            (Evidence(object=last.identity, observed=recipe, expected=case.recipe.path),),
            "Take another name for the release to have both.",
        )
    if recipe:
        return passed(f"Release {last.name} was made by llmdctl, from recipe {recipe}.")
    if any(is_own(case, item) for item in case.section("live")):
        return passed(f"Release {last.name} was made by Helm alone, and holds objects of this recipe.")
    return failed(
        f"Release {last.name} is another chart's: none of the recipe's objects is part of it.",
        _seen(last), "Take another name or another namespace for the release.",
    )  # fmt: skip


def _downgrade(case: Case) -> Verdict:
    unnamed, found = _unnamed(case), own(case)
    if unnamed or not found:
        return unnamed or passed(f"No release {case.release} is there that could be of a newer llmdctl.")
    last = found[-1]
    stated = last.labels.get(f"{_PREFIX}version", "")
    theirs, ours = version(stated), version(__version__)
    if not theirs or not ours:
        return skipped(f"release {last.name} does not say which llmdctl made it")
    if theirs <= ours:
        return passed(f"Release {last.name} was made by llmdctl {stated}, this is {__version__}.")
    return failed(
        f"Release {last.name} was made by llmdctl {stated}, this is {__version__}: older charts and versions would"
        " take the place of newer ones.",
        (Evidence(object=last.identity, observed=f"llmdctl {stated}", expected=f"at most {__version__}"),),
        f"Upgrade llmdctl to {stated} or newer.",
    )


def _drift(case: Case) -> Verdict:
    unnamed, found = _unnamed(case), own(case)
    if unnamed or not found or case.recipe is None:
        return unnamed or skipped(f"there is no release {case.release} to compare with")
    last = found[-1]
    axes = {axis: _label(name) for axis, name in case.recipe.facets.items()}
    stated = {axis: last.labels.get(f"{_PREFIX}facet-{axis.replace('_', '-')}") for axis in axes}
    if not any(stated.values()):
        return skipped(f"release {last.name} does not say which facets it was made of")
    moved = {axis: said for axis, said in stated.items() if said is not None and said != axes[axis]}
    if not moved:
        return passed(f"Release {last.name} is made of the same facets.")
    return failed(
        f"Release {last.name} would change {len(moved)} of its facets:"
        f" {names(f'{axis} from {said} to {axes[axis]}' for axis, said in moved.items())}.",
        tuple(
            Evidence(object=last.identity, observed=f"{axis} {said}", expected=axes[axis])
            for axis, said in moved.items()
        ),
        f"$ llmdctl diff {case.recipe.path} {last.name} --namespace {last.namespace}",
        "Name the facets that it was made of, if this is not meant.",
    )


def _label(text: str) -> str:
    """As a label's value holds it: other characters become `-`, at most 63 of them."""
    return re.sub(r"^[^A-Za-z0-9]+|[^A-Za-z0-9]+$", "", re.sub(r"[^A-Za-z0-9_.-]", "-", text)[:63])


_HELM: Final = "https://helm.sh/docs/topics/advanced/#storage-backends"
CHECKS: Final = (
    Check(
        code="LD1501",
        slug="release-stuck",
        title="Helm is not at work on the release",
        severity=Severity.ERROR,
        rule=_stuck,
        needs=("releases",),
        why="A Helm that was killed leaves its record pending, and every later change is refused: `another operation"
        " (install/upgrade/rollback) is in progress`.",
        remedy="Roll back to the last revision that was deployed, or uninstall a first one.",
        sources=("https://github.com/helm/helm/issues/8987", _HELM),
    ),
    Check(
        code="LD1502",
        slug="release-failed",
        title="The last revision did not fail",
        severity=Severity.WARNING,
        rule=_broken,
        needs=("releases",),
        why="After a failed revision some objects are the new ones and some the old.",
        remedy="See why it failed before the next attempt.",
        sources=(_HELM,),
    ),
    Check(
        code="LD1503",
        slug="release-name-taken",
        title="The release's name is free, or the recipe's own",
        severity=Severity.ERROR,
        rule=_taken,
        needs=("releases", "live"),
        why="Installing over another chart's release removes that chart's objects.",
        remedy="Take another name.",
        sources=(_HELM,),
    ),
    Check(
        code="LD1509",
        slug="release-downgrade",
        title="The release is not of a newer llmdctl",
        severity=Severity.WARNING,
        rule=_downgrade,
        needs=("releases",),
        why="An older tool renders older charts: flags, images and objects that the newer one made would go.",
        remedy="Upgrade llmdctl.",
        sources=(_HELM,),
    ),
    Check(
        code="LD1511",
        slug="release-facets",
        title="The release keeps its facets",
        severity=Severity.WARNING,
        rule=_drift,
        needs=("releases",),
        why="Another model, accelerator or engine under the same name replaces every model server.",
        remedy="Look at the difference first: llmdctl diff.",
        sources=(_HELM,),
    ),
)
