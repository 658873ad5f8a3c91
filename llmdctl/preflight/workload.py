"""The pods that a recipe would make, as its rendered workloads describe them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from llmdctl.preflight.requests import Amounts, pod_requests

ROLE_LABEL: Final = "llm-d.ai/role"
COMPONENT_LABEL: Final = "app.kubernetes.io/component"
Item = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class PodTemplate:
    """Pods of one sort: those of a Deployment, or of one place in each group of a LeaderWorkerSet."""

    workload: Item
    spec: Item  # of the pod
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    replicas: int  # groups, for a LeaderWorkerSet; the minimum of its scaler where one sets them
    per_replica: int  # pods like this in one replica
    group_size: int  # pods of one replica, of every sort

    @property
    def role(self) -> str:
        """The role of a model server, else the component, such as epp."""
        return self.labels.get(ROLE_LABEL) or self.labels.get(COMPONENT_LABEL) or str(self.workload["metadata"]["name"])

    @property
    def is_model_server(self) -> bool:
        """Whether it serves a model: only these have a role."""
        return ROLE_LABEL in self.labels

    @property
    def identity(self) -> str:
        """`Kind/namespace/name` of the workload."""
        metadata = self.workload["metadata"]
        return f"{self.workload['kind']}/{metadata.get('namespace', '')}/{metadata['name']}"

    @property
    def containers(self) -> tuple[Item, ...]:
        """Init containers and containers."""
        return (*(self.spec.get("initContainers") or ()), *(self.spec.get("containers") or ()))

    @cached_property
    def requests(self) -> Amounts:
        """What one pod takes from a node."""
        return pod_requests(self.spec)


def templates(objects: Iterable[Item]) -> tuple[PodTemplate, ...]:
    """Every pod template of Deployments, StatefulSets and LeaderWorkerSets, in the order of the objects."""
    listed = tuple(objects)
    floors = _floors(listed)
    return tuple(found for obj in listed for found in _templates(obj, floors))


def _templates(obj: Item, floors: Mapping[tuple[str, str], int]) -> Iterator[PodTemplate]:
    kind, spec = obj.get("kind"), obj.get("spec") or {}
    if kind in ("Deployment", "StatefulSet"):
        yield _template(obj, spec.get("template") or {}, floors, each=1, size=1)
    if kind == "LeaderWorkerSet":
        group = spec.get("leaderWorkerTemplate") or {}
        size = int(group.get("size") or 1)
        worker = group.get("workerTemplate") or {}
        leader = group.get("leaderTemplate")
        if leader is None:
            yield _template(obj, worker, floors, each=size, size=size)
            return
        yield _template(obj, leader, floors, each=1, size=size)
        if size > 1:
            yield _template(obj, worker, floors, each=size - 1, size=size)


def _template(obj: Item, template: Item, floors: Mapping[tuple[str, str], int], *, each: int, size: int) -> PodTemplate:
    metadata = template.get("metadata") or {}
    stated = (obj.get("spec") or {}).get("replicas")
    floor = floors.get((str(obj["kind"]), str(obj["metadata"]["name"])), 1)
    return PodTemplate(
        workload=obj,
        spec=template.get("spec") or {},
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        replicas=int(stated) if stated is not None else floor,
        per_replica=each,
        group_size=size,
    )


def _floors(objects: Iterable[Item]) -> dict[tuple[str, str], int]:
    """(kind, name) of a workload -> the smallest number of replicas that its scaler keeps."""
    found = {}
    for obj in objects:
        spec = obj.get("spec") or {}
        target = spec.get("scaleTargetRef") or {}
        key = (str(target.get("kind", "Deployment")), str(target.get("name")))
        if obj.get("kind") == "ScaledObject":
            found[key] = int(spec.get("minReplicaCount") or 0)
        elif obj.get("kind") == "HorizontalPodAutoscaler":
            found[key] = int(spec.get("minReplicas") or 1)
    return found
