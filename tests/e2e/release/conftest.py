"""A small chart on the real control plane, by either major of Helm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from llmdctl import programs
from llmdctl.errors import ClusterError
from llmdctl.helm import Helm, open_helm, open_renderer
from llmdctl.kube import Cluster, KubernetesObject, connect
from llmdctl.kube.served import Resource
from llmdctl.model.release import ReleaseSpec
from llmdctl.release import InstallOptions, InstallResult, UninstallResult, install, uninstall
from llmdctl.release.clock import SYSTEM_CLOCK, Clock
from llmdctl.release.events import Event, Reporter
from tests.e2e.sandbox.objects import wait

CHART = Path(__file__).parent / "chart"
LIMIT_S = 60.0


def open_gate(
    cluster: Cluster, spec: ReleaseSpec, objects: Sequence[KubernetesObject], report: Reporter
) -> ReleaseSpec:
    """Lets everything through. As with the gate of `llmdctl install`, Helm then fetches no schemas to judge objects by
    itself: half a second for it and the server each time.
    """
    return spec


@dataclass
class Place:
    """One namespace of the plane, one release name, one Helm."""

    helm: Helm
    cluster: Cluster
    namespace: str
    events: list[Event] = field(default_factory=list)
    on_event: Callable[[Event], object] = lambda _: None
    clock: Clock = SYSTEM_CLOCK

    def spec(self, **values: Any) -> ReleaseSpec:
        return ReleaseSpec(
            name="small",
            namespace=self.namespace,
            chart=CHART,
            values=values,
            recipe="small-recipe",
            facets={"engine": "vllm"},
            evidence="derived",
        )

    @property
    def doors(self) -> dict[str, Any]:
        return {"helm": self.helm, "cluster": self.cluster}

    def report(self, event: Event) -> None:
        self.events.append(event)
        self.on_event(event)

    def install(self, spec: ReleaseSpec | None = None, **options: Any) -> InstallResult:
        settings = replace(InstallOptions(timeout_s=LIMIT_S, gate=open_gate), **options)
        return install(
            spec or self.spec(), **self.doors, renderer=open_renderer(), options=settings, clock=self.clock,
            report=self.report,
        )  # fmt: skip

    def uninstall(self, **options: Any) -> UninstallResult:
        return uninstall("small", self.namespace, **self.doors, timeout_s=LIMIT_S, report=self.report, **options)

    def left(self) -> list[str]:
        """What this release left, of every kind that the server has, whatever version it is served in."""
        served = self.cluster.served(fresh=True).resources
        kinds = {(each.group, each.plural): each for each in served if "list" in each.verbs}
        found = []
        for resource in kinds.values():
            if resource.kind in {"Event", "Namespace", "ComponentStatus"}:
                continue
            place = self.namespace if resource.namespaced else None
            for obj in self._listed(resource, place):
                metadata = obj["metadata"]
                annotations = metadata.get("annotations") or {}
                ours = annotations.get("meta.helm.sh/release-namespace") == self.namespace
                theirs = metadata["name"] in {"kube-root-ca.crt", "default"}
                if ours or (place is not None and not theirs):
                    found.append(f"{resource.kind}/{metadata['name']}")
        return found

    def _listed(self, resource: Resource, place: str | None) -> list[dict[str, Any]]:
        """The objects of a kind; none of one that another test takes away at this moment."""
        listed: list[dict[str, Any]] = []

        def answered() -> bool:
            try:
                listed.extend(
                    self.cluster.list_objects(resource.api_version, resource.kind, namespace=place, metadata_only=True)
                )
            except ClusterError:
                return resource not in self.cluster.served(fresh=True).resources
            return True

        wait(f"a list of {resource.plural}", answered)
        return listed


@pytest.fixture(scope="session")
def cluster(plane: Any) -> Cluster:
    return connect(kubeconfig=plane.kubeconfig)


@pytest.fixture(scope="session")
def helm_of(plane: Any) -> Callable[[int], Helm]:
    """The helm program of a major version."""
    found: dict[int, Helm] = {}

    def get(major: int) -> Helm:
        if major not in found:
            path = programs.find(f"helm{major}").path
            found[major] = open_helm(kubeconfig=plane.kubeconfig, path=path)
        return found[major]

    return get


@pytest.fixture(params=[3, 4], ids=["helm3", "helm4"])
def place(request: pytest.FixtureRequest, plane: Any, cluster: Cluster, helm_of: Callable[[int], Helm]) -> Place:
    """A namespace for one test, once with each major."""
    return Place(helm=helm_of(request.param), cluster=cluster, namespace=plane.namespace("rel"))


@pytest.fixture
def place4(plane: Any, cluster: Cluster, helm_of: Callable[[int], Helm]) -> Place:
    """A namespace for one test, with Helm 4."""
    return Place(helm=helm_of(4), cluster=cluster, namespace=plane.namespace("rel"))
