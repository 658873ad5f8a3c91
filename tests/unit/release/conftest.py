"""A small release in a cluster in memory, whose Deployment becomes ready as soon as it is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from llmdctl.model.release import ReleaseSpec
from llmdctl.release import InstallOptions, InstallResult, install
from llmdctl.release.events import Event
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.helm import FakeHelm


def spec(name: str = "pd", namespace: str = "llm", **values: Any) -> ReleaseSpec:
    return ReleaseSpec(
        name=name,
        namespace=namespace,
        chart=Path("charts/small"),
        values=values,
        recipe="pd-disaggregation",
        facets={"engine": "vllm", "kv_tier": "none"},
        evidence="derived",
        startup_s=60,
    )


def chart(name: str, values: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    labels = {"app.kubernetes.io/instance": name}
    objects = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"{name}-config", "labels": labels},
            "data": {"message": values.get("message", "hello")},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": f"{name}-epp", "labels": labels},
            "spec": {"ports": [{"name": "http", "port": 80}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": f"{name}-decode", "labels": labels},
            "spec": {"replicas": values.get("replicas", 1)},
        },
    ]
    if values.get("clusterRole"):
        objects.append(
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}}
        )
    if values.get("widget"):
        objects.append({"apiVersion": "test.dev/v1", "kind": "Widget", "metadata": {"name": name, "labels": labels}})
    if values.get("role"):
        rbac = "rbac.authorization.k8s.io"
        ref = {"apiGroup": rbac, "kind": "Role", "name": values["role"]}
        metadata = {"name": f"{name}-epp", "labels": labels}
        objects.append({"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": []})
        objects.append({"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": metadata, "roleRef": ref})
    return objects


def becomes_ready(obj: dict[str, Any]) -> None:
    """What the deployment controller and kubelet do, at once."""
    if obj["kind"] == "Deployment":
        count = obj["spec"]["replicas"]
        done = {"replicas": count, "updatedReplicas": count, "availableReplicas": count}
        obj["status"] = done | {"observedGeneration": obj["metadata"].get("generation", 1)}


@dataclass
class World:
    """Everything that a use case takes, and what it told."""

    cluster: FakeCluster = field(default_factory=FakeCluster)
    time: FakeClock = field(default_factory=FakeClock)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cluster.controllers.append(becomes_ready)
        self.helm = FakeHelm(self.cluster, chart, now=self.time.clock.now)

    def install(self, asked: ReleaseSpec | None = None, **options: Any) -> InstallResult:
        return install(
            asked or spec(),
            helm=self.helm,
            cluster=self.cluster,
            options=InstallOptions(**options),
            clock=self.time.clock,
            report=self.events.append,
        )

    @property
    def doors(self) -> dict[str, Any]:
        return {"helm": self.helm, "cluster": self.cluster}

    def told(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def world() -> World:
    return World()
