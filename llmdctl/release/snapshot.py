"""One look at a release in the cluster: its objects, its pods, and what ails them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from llmdctl.errors import ForbiddenError
from llmdctl.kube import Cluster, KubernetesObject, key_of
from llmdctl.model.release import ObjectKey, ObjectState, PodState, Readiness
from llmdctl.release.pods import (
    LWS_NAME_LABEL,
    LWS_REVISION_LABEL,
    Ailment,
    Patience,
    ailments,
    current_pods,
    state_of,
)
from llmdctl.release.readiness import UNSEEN, Verdict, assess
from llmdctl.release.reading import read_all

INSTANCE_LABEL: Final = "app.kubernetes.io/instance"
_POOL: Final = ("inference.networking.k8s.io", "InferencePool")
_GROUPS: Final = "LeaderWorkerSet"
_ROUTES: Final = frozenset({"HTTPRoute", "GRPCRoute"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """Everything of a release at one moment."""

    objects: tuple[ObjectState, ...]
    pods: tuple[PodState, ...]
    ailments: tuple[Ailment, ...]

    @property
    def readiness(self) -> Readiness:
        """Of the whole: failed if anything is, ready if everything is."""
        states = {state.readiness for state in self.objects}
        if Readiness.FAILED in states or any(found.final for found in self.ailments):
            return Readiness.FAILED
        for state in (Readiness.PROGRESSING, Readiness.UNKNOWN):
            if state in states:
                return state
        return Readiness.READY


def look(
    cluster: Cluster,
    objects: Sequence[KubernetesObject],
    *,
    name: str,
    namespace: str,
    now_s: float,
    patience: Patience,
    settled: Mapping[ObjectKey, ObjectState] | None = None,
) -> Snapshot:
    """The state of every object of a release, and of the pods that carry its instance label.

    `objects` are as rendered, with their namespaces. Those in `settled` are not asked for again.
    """
    known = settled or {}
    keys = [key_of(obj) for obj in objects]
    live = read_all(cluster, [key for key in keys if key not in known])
    verdicts = {
        key: Verdict(known[key].readiness, known[key].reason) if key in known else _verdict(live[key]) for key in keys
    }
    _judge_pools(objects, verdicts)
    pods = cluster.list_objects("v1", "Pod", namespace=namespace, labels={INSTANCE_LABEL: name})
    sets = cluster.list_objects("apps/v1", "ReplicaSet", namespace=namespace, labels={INSTANCE_LABEL: name})
    # A workload that its controller has not looked at has no new pods yet, and the old ones are not to be judged.
    unseen = {key.name for key, said in verdicts.items() if said.reason == UNSEEN}
    current = current_pods(pods, sets, groups=_group_revisions(cluster, verdicts), unseen=unseen)
    _judge_groups({key: live[key] for key in verdicts if key.kind == _GROUPS}, current, verdicts)
    return Snapshot(
        objects=tuple(ObjectState(key=key, readiness=said[0], reason=said[1]) for key, said in verdicts.items()),
        pods=tuple(sorted((state_of(pod, now_s=now_s) for pod in pods), key=lambda pod: (pod.role, pod.name))),
        ailments=tuple(found for pod in current for found in ailments(pod, now_s=now_s, patience=patience)),
    )


def _group_revisions(cluster: Cluster, keys: Iterable[ObjectKey]) -> dict[str, str]:
    """The newest revision of each LeaderWorkerSet, which its leader StatefulSet of the same name is labelled with."""
    found: dict[str, str] = {}
    for key in keys:
        if key.kind == _GROUPS:
            leaders = ObjectKey(api_version="apps/v1", kind="StatefulSet", namespace=key.namespace, name=key.name)
            labels = ((cluster.get(leaders) or {}).get("metadata") or {}).get("labels") or {}
            if LWS_REVISION_LABEL in labels:
                found[key.name] = str(labels[LWS_REVISION_LABEL])
    return found


def _judge_groups(
    live: Mapping[ObjectKey, KubernetesObject | ForbiddenError | None],
    current: Sequence[KubernetesObject],
    verdicts: dict[ObjectKey, Verdict],
) -> None:
    """A group is ready when all its pods are there, too.

    LWS 0.9 makes a group anew when a worker goes, now and then also after an upgrade, for a worker of the group before;
    while the leader is only being deleted it still calls the group available (`updateConditions`).
    """
    for key, obj in live.items():
        if verdicts[key].readiness is not Readiness.READY or not isinstance(obj, Mapping):
            continue
        spec = obj.get("spec") or {}
        wanted = spec.get("replicas", 1) * (spec.get("leaderWorkerTemplate") or {}).get("size", 1)
        there = sum(1 for pod in current if (pod["metadata"].get("labels") or {}).get(LWS_NAME_LABEL) == key.name)
        if there < wanted:
            verdicts[key] = Verdict(Readiness.PROGRESSING, f"{there} of {wanted} pods there; a group is made anew")


def _verdict(live: KubernetesObject | ForbiddenError | None) -> Verdict:
    if isinstance(live, ForbiddenError):
        return Verdict(Readiness.UNKNOWN, f"cannot be read: {live.message}")
    return assess(live)


def _judge_pools(objects: Sequence[KubernetesObject], verdicts: dict[ObjectKey, Verdict]) -> None:
    """In standalone mode no gateway writes an InferencePool's status: it is as far as its endpoint picker is."""
    routed = {
        str(backend.get("name"))
        for route in objects
        if route.get("kind") in _ROUTES
        for rule in (route.get("spec") or {}).get("rules") or ()
        for backend in rule.get("backendRefs") or ()
        if backend.get("kind") == _POOL[1]
    }
    for pool in objects:
        key = key_of(pool)
        group = key.api_version.rpartition("/")[0]
        if (group, key.kind) != _POOL or key.name in routed or verdicts[key].reason == "not there yet":
            continue
        picker = str(((pool.get("spec") or {}).get("endpointPickerRef") or {}).get("name", ""))
        serving = next((k for k in verdicts if k.kind == "Deployment" and k.name == picker), None)
        if serving is None:
            verdicts[key] = Verdict(Readiness.READY, "no route refers to it")
        elif verdicts[serving].readiness is Readiness.READY:
            verdicts[key] = Verdict(Readiness.READY, f"its endpoint picker {picker} is ready")
        else:
            verdicts[key] = Verdict(verdicts[serving].readiness, f"waits for its endpoint picker {picker}")
