"""What must be in a cluster before a release: served kinds, CRDs, controllers. Found, said, or put there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from llmdctl.errors import ClusterError, ConflictError, ForbiddenError, PreflightError, Problem
from llmdctl.helm import Change, Helm
from llmdctl.kube import Cluster, KubernetesObject, Served, ensure_crds, key_of
from llmdctl.model.release import ObjectKey, Prerequisite, PrerequisiteChart, ReleaseSpec
from llmdctl.release.changes import placed
from llmdctl.release.clock import Clock
from llmdctl.release.events import Noticed, ObjectChanged, Reporter
from llmdctl.release.ownership import owner_of, release_of
from llmdctl.release.waiting import wait

SIMULATED_ANNOTATION: Final = "kwok.x-k8s.io/node"
_API_SERVICE: Final = "apiregistration.k8s.io/v1"
CrdSource = Callable[[], Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """What a cluster lacks for one release."""

    kinds: tuple[tuple[str, str], ...]  # (apiVersion, kind) that are rendered and not served
    crds: tuple[tuple[Prerequisite, str], ...]  # prerequisite and the CRD of it that is not served

    def __bool__(self) -> bool:
        return bool(self.kinds or self.crds)


def missing(served: Served, objects: Sequence[KubernetesObject], prerequisites: Sequence[Prerequisite]) -> Missing:
    """What is rendered or required, and not served."""
    kinds = dict.fromkeys((str(obj.get("apiVersion")), str(obj.get("kind"))) for obj in objects)
    crds = [(needed, crd) for needed in prerequisites for crd in needed.crds if not _is_served(served, crd)]
    return Missing(kinds=tuple(kind for kind in kinds if served.find(*kind) is None), crds=tuple(crds))


def _is_served(served: Served, crd: str) -> bool:
    plural, _, group = crd.partition(".")
    return bool(served.versions(group, plural))


def check(lacking: Missing) -> None:
    """Raise ClusterError, naming everything that is missing and where it comes from."""
    if not lacking:
        return
    problems = [
        Problem(
            message=f"{crd} is missing ({needed.title} {needed.version})",
            remedy=f"Administrator's command: kubectl apply --server-side -f {needed.manifest}"
            if needed.manifest
            else None,
        )
        for needed, crd in lacking.crds
    ]
    named = {crd.partition(".")[2] for _, crd in lacking.crds}
    problems += [
        Problem(message=f"{kind} in {api_version} is not served: its CustomResourceDefinition is missing")
        for api_version, kind in lacking.kinds
        if api_version.rpartition("/")[0] not in named
    ]
    raise ClusterError(
        "the cluster lacks what the recipe needs",
        problems=tuple(problems),
        remedy="Install it with --with-prerequisites, or have an administrator do so.",
    )


def is_simulated(cluster: Cluster) -> bool:
    """Whether nodes of this cluster are simulated (kwok): pods never run there, so no controller would come up."""
    try:
        nodes = cluster.list_objects("v1", "Node", metadata_only=True, limit=50)
    except ForbiddenError:
        return False
    return any(SIMULATED_ANNOTATION in ((node.get("metadata") or {}).get("annotations") or {}) for node in nodes)


def notice_controllers(cluster: Cluster, prerequisites: Sequence[Prerequisite], report: Reporter) -> None:
    """Say which controllers were not found by name. No error: they may run elsewhere or be called otherwise."""
    wanted = [needed for needed in prerequisites if needed.kind == "controller" and needed.charts]
    if not wanted or is_simulated(cluster):
        return
    running = _deployment_names(cluster)
    for needed in wanted:
        if running is not None and not any(_runs(chart.name, running) for chart in needed.charts):
            report(
                Noticed(
                    message=f"no Deployment of {needed.title} was found; without it the release does not become ready"
                )
            )


def _deployment_names(cluster: Cluster) -> frozenset[str] | None:
    """Names and app labels of all Deployments; None when they may not be listed."""
    try:
        found = cluster.list_objects("apps/v1", "Deployment", metadata_only=True)
    except ForbiddenError:
        return None
    names = {key_of(obj).name for obj in found}
    labels = [(obj.get("metadata") or {}).get("labels") or {} for obj in found]
    return frozenset(names | {str(entry.get("app.kubernetes.io/name", "")) for entry in labels})


def _runs(chart: str, running: frozenset[str]) -> bool:
    return any(name == chart or name.startswith(f"{chart}-") for name in running)


def _refuse_platform(lacking: Sequence[Prerequisite]) -> None:
    """What a platform brings along is not put there from outside: its controller would still be missing."""
    platform = dict.fromkeys(needed.title for needed in lacking if needed.kind == "platform")
    if platform:
        raise ClusterError(
            f"{', '.join(platform)} comes with the platform and is not there",
            remedy="Is this the platform that the recipe is composed for? Choose another --platform or --gateway.",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Furnisher:
    """Puts missing prerequisites into a cluster."""

    helm: Helm
    cluster: Cluster
    crds: CrdSource
    timeout_s: float
    clock: Clock
    report: Reporter

    def furnish(self, spec: ReleaseSpec, lacking: Missing) -> None:
        """Controllers by their charts, which bring their own CRDs; other CRDs by server-side apply.

        Raises PreflightError on simulated nodes when a controller is needed, ConflictError for a CRD or API service
        of another owner, ClusterError when a needed CRD is pinned nowhere or is the platform's to install.
        """
        _refuse_platform([needed for needed, _ in lacking.crds])
        lacks = {needed.name for needed, _ in lacking.crds}
        by_chart = [needed for needed in spec.prerequisites if needed.charts and needed.name in lacks]
        if by_chart and is_simulated(self.cluster):
            raise PreflightError(
                f"{', '.join(needed.title for needed in by_chart)} cannot be installed here: the nodes are simulated",
                remedy="Its pods would never run, and its webhooks and API services would then block the whole cluster."
                " The sandbox has the CRDs; install without --with-prerequisites.",
            )
        for needed in by_chart:
            self._refuse_foreign_apis(needed)
        bring = [needed for needed in by_chart if not any(chart.skip_crds for chart in needed.charts)]
        covered = {crd for needed in bring for crd in needed.crds}
        self._apply_crds([crd for _, crd in lacking.crds if crd not in covered], lacking.kinds, covered)
        for needed in by_chart:
            for chart in needed.charts:
                self._install(needed, chart)
        self.cluster.served(fresh=True)

    def _refuse_foreign_apis(self, needed: Prerequisite) -> None:
        """An API service has one owner in a cluster: a second adapter would cut the first one off."""
        charts = {chart.name for chart in needed.charts}
        for name in needed.api_services:
            key = ObjectKey(api_version=_API_SERVICE, kind="APIService", namespace=None, name=name)
            live = self.cluster.get(key)
            if live is None or release_of(live) in charts:
                continue
            service = (live.get("spec") or {}).get("service") or {}
            raise ConflictError(
                f"{needed.title} would take over the API service {name}, which is served by"
                f" {service.get('namespace', '?')}/{service.get('name', '?')} and belongs to {owner_of(live)}",
                remedy="Only one can serve it: remove the other, or have it serve these metrics.",
            )

    def _apply_crds(self, names: Sequence[str], kinds: Sequence[tuple[str, str]], covered: set[str]) -> None:
        if not names and not kinds:
            return
        pinned = {key_of(crd).name: crd for crd in self.crds()}
        wanted = {name: pinned[name] for name in names if name in pinned}
        groups = {(api_version.rpartition("/")[0], kind) for api_version, kind in kinds}
        wanted |= {
            name: crd
            for name, crd in pinned.items()
            if name not in covered and (crd["spec"]["group"], crd["spec"]["names"]["kind"]) in groups
        }
        unknown = [name for name in names if name not in pinned]
        if unknown:
            raise ClusterError(
                f"{', '.join(unknown)} is not among the pinned CRDs", remedy="Have an administrator install it."
            )
        for change in ensure_crds(
            self.cluster, list(wanted.values()), sleep=self.clock.sleep, clock=self.clock.monotonic
        ):
            self.report(ObjectChanged(key=key_of(wanted[change.name]), action=change.action))

    def _install(self, needed: Prerequisite, chart: PrerequisiteChart) -> None:
        namespace = needed.namespace or chart.name
        rendered = self.helm.upgrade(
            Change(
                name=chart.name,
                namespace=namespace,
                chart=chart.reference or chart.name,
                repository=None if chart.reference else chart.repository,
                chart_version=chart.version,
                values=chart.values,
                description=f"prerequisite {needed.name} {needed.version}, installed by llmdctl",
                create_namespace=True,
                skip_crds=chart.skip_crds,
                timeout_s=self.timeout_s,
            )
        )
        served = self.cluster.served(fresh=True)
        objects = placed(rendered.objects, namespace, served)
        for obj in objects:
            self.report(ObjectChanged(key=key_of(obj), action="create"))
        wait(
            self.cluster, objects, name=chart.name, namespace=namespace, timeout_s=self.timeout_s,
            clock=self.clock, report=self.report,
        )  # fmt: skip
