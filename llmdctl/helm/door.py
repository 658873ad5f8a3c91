"""What the rest of llmdctl may ask of Helm, and what it gets back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from llmdctl.model.release import ReleaseSpec

ASSUMED_KUBERNETES: Final = "1.34.4"
"""Rendered for where no cluster says otherwise. Fixed, because each Helm assumes another version of its own."""

KubernetesObject = Mapping[str, Any]


def stated_version(version: str | None) -> str:
    """The version to render for. A development build that does not know its own says 0.0 or nothing."""
    return version if version and not version.startswith("0.") else ASSUMED_KUBERNETES


@dataclass(frozen=True, kw_only=True, slots=True)
class Engine:
    """Which Helm did the work, as `version` and `-o json` show it."""

    name: str  # `helm` (the program) or `helm-python-sdk` (in this process)
    version: str  # Helm's own version, such as 4.3.1
    path: Path | None = None  # of the program


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendered:
    """A chart with values applied: what Helm would store as the release's manifest. Hooks are left out."""

    text: str
    objects: tuple[KubernetesObject, ...]
    notes: str | None  # None: this engine cannot tell before the install (`helm template` of Helm 3)
    engine: Engine


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The cluster that the helm program talks to; None stands for what Helm itself would take."""

    kubeconfig: Path | None = None
    context: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One `helm upgrade --install`."""

    name: str
    namespace: str
    chart: str  # a folder, an archive, or an `oci://` reference
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    chart_version: str | None = None  # for references and repositories only
    repository: str | None = None  # `https://…`, when `chart` is a name in it
    labels: Mapping[str, str] = field(default_factory=dict)  # stored with the release, not on its objects
    description: str = ""
    create_namespace: bool = False
    take_ownership: bool = False  # adopt objects that no release owns
    force_conflicts: bool = False  # take fields over from other field managers
    skip_crds: bool = False  # leave out what stands in the chart's folder `crds`
    judged: bool = False  # the API server has tried each object, strictly: helm need not look them up in its schemas
    timeout_s: float = 300.0


class Renderer(Protocol):
    """Renders without a cluster."""

    @property
    def engine(self) -> Engine: ...

    def render(
        self,
        spec: ReleaseSpec,
        *,
        kube_version: str = ASSUMED_KUBERNETES,
        api_versions: Sequence[str] = (),
        upgrade: bool = False,
    ) -> Rendered:
        """The objects of the release, in the order in which Helm installs them.

        Raises HelmError (the chart fails to render) and RecipeError (the values do not fit the chart's schema).
        """
        ...


class Begun(Protocol):
    """A Helm that has begun an `upgrade`: it has looked at the release, changed nothing, and waits for its values."""

    def finish(self) -> Rendered:
        """Let it go on; what `Helm.upgrade` gives and raises."""
        ...

    def abandon(self) -> None:
        """End it. Nothing was changed. After `finish`, nothing is done."""
        ...


class Helm(Renderer, Protocol):
    """Also changes a cluster. What state a release is in, the cluster itself tells (`release.record`)."""

    def preview(self, change: Change) -> Rendered:
        """What `upgrade` would store, with the cluster's own version, APIs and look-ups; changes nothing."""
        ...

    def upgrade(self, change: Change) -> Rendered:
        """Install or upgrade without waiting for readiness; what was stored, with its notes.

        Raises HelmError, RecipeError, ConflictError, ForbiddenError, UnreachableError and, on Ctrl-C, Interrupted.
        """
        ...

    def begin(self, change: Change) -> Begun:
        """The first half of `upgrade`, in which nothing is changed: Helm needs a tenth of a second to look around."""
        ...

    def rollback(self, name: str, namespace: str, revision: int, *, timeout_s: float) -> None:
        """Bring an earlier revision back, as a new one."""
        ...

    def uninstall(self, name: str, namespace: str, *, timeout_s: float) -> bool:
        """Remove a release and its objects, without waiting for them to go. False: there was none."""
        ...

    def manifest(self, name: str, namespace: str, revision: int) -> Rendered:
        """What a stored revision consists of."""
        ...

    def values(self, name: str, namespace: str, revision: int) -> Mapping[str, Any]:
        """The values that a stored revision was given, without the chart's defaults."""
        ...
