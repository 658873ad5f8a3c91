"""CustomResourceDefinitions of a cluster, and what the recipe needs of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from llmdctl.model.check import Evidence
from llmdctl.model.recipe import Recipe
from llmdctl.model.release import Prerequisite

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case

Item = Mapping[str, Any]
Version = tuple[int, int, int]
_RELEASE_NAME: Final = "meta.helm.sh/release-name"
_RELEASE_NAMESPACE: Final = "meta.helm.sh/release-namespace"
_GITOPS: Final = ("argocd.argoproj.io/instance", "kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name")
_OLM: Final = "operators.coreos.com/"
_RELATED: Final = (
    frozenset({"inference.networking.k8s.io", "inference.networking.x-k8s.io"}),
    frozenset({"monitoring.coreos.com", "azmonitoring.coreos.com", "monitoring.googleapis.com"}),
)
"""API groups with kinds of the same sort: where one is missing, a check says which of the others are served."""


def version(text: object) -> Version | None:
    """`v1.5.1`, `1.29.2-distroless` -> (1, 5, 1), (1, 29, 2); None where no three numbers stand first."""
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", str(text or ""))
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


@dataclass(frozen=True, kw_only=True)
class Crd:
    """One CustomResourceDefinition."""

    item: Item

    @property
    def name(self) -> str:
        return str((self.item.get("metadata") or {}).get("name", ""))

    @property
    def identity(self) -> str:
        """As evidence names it."""
        return f"CustomResourceDefinition//{self.name}"

    @property
    def group(self) -> str:
        return str(self._spec.get("group") or self.name.partition(".")[2])

    @property
    def kind(self) -> str:
        return str((self._spec.get("names") or {}).get("kind", ""))

    @property
    def annotations(self) -> Mapping[str, str]:
        return (self.item.get("metadata") or {}).get("annotations") or {}

    @property
    def labels(self) -> Mapping[str, str]:
        return (self.item.get("metadata") or {}).get("labels") or {}

    @cached_property
    def versions(self) -> tuple[str, ...]:
        """Every version that it names."""
        return tuple(str(entry.get("name")) for entry in self._spec.get("versions") or ())

    @cached_property
    def served(self) -> tuple[str, ...]:
        return tuple(str(entry.get("name")) for entry in self._spec.get("versions") or () if entry.get("served"))

    @cached_property
    def storage(self) -> str:
        """The version that objects are written as."""
        found = (str(entry.get("name")) for entry in self._spec.get("versions") or () if entry.get("storage"))
        return next(found, "")

    @property
    def stored(self) -> tuple[str, ...]:
        """The versions that objects were ever written as."""
        return tuple(str(name) for name in self._status.get("storedVersions") or ())

    @property
    def bundle(self) -> str:
        """The release of Gateway API or of its inference extension that it is of; empty when it does not say."""
        for key, value in self.annotations.items():
            if key.endswith("/bundle-version"):
                return str(value)
        return ""

    @property
    def channel(self) -> str:
        """standard, experimental, or empty."""
        return str(self.annotations.get("gateway.networking.k8s.io/channel", ""))

    @property
    def release(self) -> tuple[str, str] | None:
        """The Helm release that it is part of, and its namespace."""
        name = self.annotations.get(_RELEASE_NAME)
        return (str(name), str(self.annotations.get(_RELEASE_NAMESPACE, ""))) if name else None

    @cached_property
    def conditions(self) -> Mapping[str, str]:
        """Type -> True, False or Unknown."""
        return {str(row.get("type")): str(row.get("status")) for row in self._status.get("conditions") or ()}

    @cached_property
    def owner(self) -> str:
        """Who says that it is theirs, in words; empty when nobody does."""
        component = self.annotations.get("components.gke.io/component-name")
        if component or "addonmanager.kubernetes.io/mode" in self.labels:
            return f"GKE ({component})" if component else "GKE"
        if self.release:
            return f"Helm release {self.release[0]} in namespace {self.release[1]}"
        if self.labels.get("olm.managed") == "true" or any(key.startswith(_OLM) for key in self.labels):
            return "the Operator Lifecycle Manager"
        if "linkerd.io/created-by" in self.annotations:
            return "Linkerd"
        named = next((key for key in _GITOPS if key in self.labels or key in self.annotations), None)
        return f"GitOps ({named})" if named else ""

    @property
    def _spec(self) -> Item:
        return self.item.get("spec") or {}

    @property
    def _status(self) -> Item:
        return self.item.get("status") or {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind that the recipe renders objects of."""

    group: str
    version: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} in {self.group}/{self.version}"


def crds(case: Case) -> Mapping[str, Crd]:
    """Every CRD by its name. Raises UnknowableError where they could not be listed."""
    return case.crds


def of_group(case: Case, *groups: str) -> tuple[Crd, ...]:
    """The CRDs of some API groups, by name."""
    return tuple(sorted((crd for crd in crds(case).values() if crd.group in groups), key=lambda crd: crd.name))


def rendered_kinds(case: Case, *groups: str) -> tuple[Kind, ...]:
    """What the recipe renders of some API groups (of every one with a dot in it, where none is named)."""
    found: dict[Kind, None] = {}
    for obj in case.objects:
        group, _, served = str(obj.get("apiVersion", "")).rpartition("/")
        if group in groups or (not groups and "." in group):
            found[Kind(group=group, version=served, name=str(obj.get("kind")))] = None
    return tuple(found)


def prerequisites(case: Case, *groups: str) -> Mapping[str, Prerequisite]:
    """CRDs of some API groups that the recipe's prerequisites bring: name of the CRD -> the first of them."""
    found: dict[str, Prerequisite] = {}
    for needed in case.recipe.prerequisites if case.recipe else ():
        for name in needed.crds:
            if not groups or name.partition(".")[2] in groups:
                found.setdefault(name, needed)
    return found


def judged_groups(objects: Iterable[Item], recipe: Recipe | None) -> frozenset[str]:
    """The API groups of whose CRDs checks ask for versions, conditions and conversion; of others they ask for names.

    Those of what is rendered and of what prerequisites bring, and those that are named where one of them is missing.
    """
    groups = {str(obj.get("apiVersion", "")).rpartition("/")[0] for obj in objects}
    groups |= {name.partition(".")[2] for needed in (recipe.prerequisites if recipe else ()) for name in needed.crds}
    return frozenset(groups.union(*(related for related in _RELATED if related & groups)))


def concerned(case: Case, *groups: str) -> bool:
    """Whether the recipe renders or requires something of these API groups."""
    return bool(rendered_kinds(case, *groups) or prerequisites(case, *groups))


def lacking(case: Case, kinds: Iterable[Kind]) -> tuple[Kind, ...]:
    """Those that no CRD serves. Raises UnknowableError where CRDs could not be listed."""
    have = crds(case)
    return tuple(kind for kind in kinds if not _serves(have, kind))


def absent(case: Case, *groups: str) -> Mapping[str, Prerequisite]:
    """The prerequisites' CRDs of some API groups (of every one, where none is named) that are not there at all."""
    have = crds(case)
    return {
        name: needed
        for name, needed in prerequisites(case, *groups).items()
        if name not in have or not have[name].served
    }


def oldest_bundle(found: Iterable[Crd]) -> tuple[Version, Crd] | None:
    """The oldest release that CRDs are of; None where none says."""
    dated = [(known, crd) for crd in found if (known := version(crd.bundle))]
    return min(dated, key=lambda pair: pair[0], default=None)


def names(rows: Iterable[object]) -> str:
    """`a, b and c`."""
    words = [str(row) for row in rows]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def evidence(found: Iterable[Crd], observed: Callable[[Crd], str]) -> tuple[Evidence, ...]:
    """CRDs as evidence."""
    return tuple(Evidence(object=crd.identity, observed=observed(crd)) for crd in found)


def missing_evidence(kinds: Iterable[Kind]) -> tuple[Evidence, ...]:
    """Kinds that are not there, as evidence."""
    return tuple(
        Evidence(object=f"{kind.name}.{kind.group}", observed="not served", expected=kind.version) for kind in kinds
    )


def how(needed: Iterable[Prerequisite]) -> Iterator[str]:
    """How an administrator brings prerequisites, as remedies."""
    rows = tuple({entry.name: entry for entry in needed}.values())
    for entry in rows:
        if entry.kind == "platform":
            yield f"{entry.title} comes with the platform; switch it on there, or choose another facet."
        elif entry.manifest:
            yield f"$ kubectl apply --server-side -f {entry.manifest}"
    ours = [f"{entry.title} {entry.version}" for entry in rows if entry.kind != "platform"]
    if ours:
        yield f"llmdctl install --with-prerequisites brings {names(ours)}."


def _serves(have: Mapping[str, Crd], kind: Kind) -> bool:
    return any(
        crd.group == kind.group and crd.kind == kind.name and kind.version in crd.served for crd in have.values()
    )
