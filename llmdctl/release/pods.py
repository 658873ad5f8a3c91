"""What ails a pod, and whether waiting longer can help. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from llmdctl.kube import KubernetesObject
from llmdctl.model.release import PodState
from llmdctl.release.electing import awaiting_election
from llmdctl.release.readiness import condition

ROLE_LABEL: Final = "llm-d.ai/role"
LWS_NAME_LABEL: Final = "leaderworkerset.sigs.k8s.io/name"
LWS_REVISION_LABEL: Final = "leaderworkerset.sigs.k8s.io/template-revision-hash"
_COMPONENT_LABEL: Final = "app.kubernetes.io/component"

_TERMINAL: Final = frozenset(
    {
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
"""Waiting reasons that need a change of the pod. kubelet keeps trying, but the same thing is wrong each time."""
_PULL: Final = frozenset({"ImagePullBackOff", "ErrImagePull", "RegistryUnavailable"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long something that often passes is waited for before it counts as a failure."""

    restarts: int = 3  # of one container, in CrashLoopBackOff or by being killed for memory
    image_pull_s: float = 120.0  # a registry's hiccup passes within two of kubelet's tries
    unschedulable_s: float = 180.0  # time for a cluster autoscaler to begin adding a node
    config_s: float = 30.0  # a Secret or ConfigMap that is made a moment after the pod


@dataclass(frozen=True, kw_only=True, slots=True)
class Ailment:
    """What is wrong with a pod."""

    pod: str
    container: str | None
    reason: str  # Kubernetes' own word, such as CrashLoopBackOff
    message: str
    final: bool  # waiting longer does not help
    previous_log: bool  # the words that matter were written before the last restart

    def __str__(self) -> str:
        where = f"pod {self.pod}" + (f", container {self.container}" if self.container else "")
        return f"{where}: {self.reason}" + (f": {self.message}" if self.message else "")


def ailments(pod: KubernetesObject, *, now_s: float, patience: Patience) -> Iterator[Ailment]:
    """Everything that keeps a pod from being ready, beyond needing time. `now_s` is seconds since the epoch."""
    name = str((pod.get("metadata") or {}).get("name", ""))
    status = pod.get("status") or {}
    if status.get("phase") == "Failed" and not status.get("containerStatuses"):
        yield Ailment(
            pod=name, container=None, reason=str(status.get("reason") or "Failed"),
            message=str(status.get("message") or ""), final=True, previous_log=False,
        )  # fmt: skip
    yield from _unscheduled(name, status, now_s, patience)
    age_s = now_s - _seconds((pod.get("metadata") or {}).get("creationTimestamp"), now_s)
    for entry in _container_statuses(status):
        yield from _container(name, entry, age_s, patience)


def _container_statuses(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for kind in ("initContainerStatuses", "containerStatuses"):
        yield from status.get(kind) or ()


def _unscheduled(name: str, status: Mapping[str, Any], now_s: float, patience: Patience) -> Iterator[Ailment]:
    scheduled = condition(status, "PodScheduled")
    if scheduled.get("status") != "False" or scheduled.get("reason") == "SchedulingGated":
        return
    waited_s = now_s - _seconds(scheduled.get("lastTransitionTime"), now_s)
    yield Ailment(
        pod=name, container=None, reason="FailedScheduling", message=str(scheduled.get("message") or ""),
        final=waited_s >= patience.unschedulable_s, previous_log=False,
    )  # fmt: skip


def _container(name: str, entry: Mapping[str, Any], age_s: float, patience: Patience) -> Iterator[Ailment]:
    container, restarts = str(entry.get("name", "")), int(entry.get("restartCount") or 0)
    state, last = entry.get("state") or {}, entry.get("lastState") or {}
    waiting = state.get("waiting") or {}
    ended = state.get("terminated") or last.get("terminated") or {}
    reason = str(waiting.get("reason") or "")
    final, said = False, str(waiting.get("message") or "")
    if reason in _TERMINAL:
        # A missing Secret is also CreateContainerConfigError, and may be made a moment later.
        final = reason != "CreateContainerConfigError" or age_s >= patience.config_s
    elif reason in _PULL:
        final = age_s >= patience.image_pull_s
    elif reason == "CrashLoopBackOff" or ended.get("reason") == "OOMKilled":
        if entry.get("ready"):
            return  # it was killed once and works again
        final, said = restarts >= patience.restarts, _how_it_ended(ended, restarts)
        reason = "OOMKilled" if ended.get("reason") == "OOMKilled" else reason
    else:
        return
    running_before = reason in {"CrashLoopBackOff", "OOMKilled"} and not state.get("terminated")
    yield Ailment(pod=name, container=container, reason=reason, message=said, final=final, previous_log=running_before)


def _how_it_ended(ended: Mapping[str, Any], restarts: int) -> str:
    code = ended.get("exitCode")
    message = str(ended.get("message") or "").strip()
    parts = [
        f"exit code {code}" if code is not None else "",
        f"restarted {restarts} times" if restarts else "",
        message,
    ]
    return ", ".join(part for part in parts if part)


def _seconds(timestamp: object, default_s: float) -> float:
    found = seconds_of(timestamp)
    return default_s if found is None else found


def seconds_of(timestamp: object) -> float | None:
    """A Kubernetes timestamp in seconds since the epoch; None for what is none."""
    try:
        return datetime.fromisoformat(timestamp).timestamp() if isinstance(timestamp, str) else None
    except ValueError:
        return None


def state_of(pod: KubernetesObject, *, now_s: float) -> PodState:
    """One pod as a person wants to see it."""
    metadata, status = pod.get("metadata") or {}, pod.get("status") or {}
    labels = metadata.get("labels") or {}
    found = next(ailments(pod, now_s=now_s, patience=Patience()), None)
    ready = condition(status, "Ready").get("status") == "True"
    reason = f"{found.reason}: {found.message}".removesuffix(": ") if found else _waiting_reason(pod, ready)
    if metadata.get("deletionTimestamp"):
        reason, ready = "being deleted", False
    return PodState(
        name=str(metadata.get("name", "")),
        role=str(labels.get(_COMPONENT_LABEL) or labels.get(ROLE_LABEL) or ""),
        node=(pod.get("spec") or {}).get("nodeName"),
        phase=str(status.get("phase", "Pending")),
        ready=ready,
        restarts=sum(int(entry.get("restartCount") or 0) for entry in _container_statuses(status)),
        reason=reason,
    )


def _waiting_reason(pod: KubernetesObject, ready: bool) -> str:
    if ready:
        return ""
    status = pod.get("status") or {}
    for entry in _container_statuses(status):
        waiting = (entry.get("state") or {}).get("waiting") or {}
        if waiting.get("reason"):
            return str(waiting["reason"])
    unready = [str(entry["name"]) for entry in status.get("containerStatuses") or () if not entry.get("ready")]
    following = awaiting_election(pod)
    parts = {
        "not ready": [name for name in unready if name not in following],
        "waits to be elected leader": following,
    }
    return "; ".join(f"{words}: {', '.join(names)}" for words, names in parts.items() if names)


def current_pods(
    pods: Sequence[KubernetesObject],
    replica_sets: Sequence[KubernetesObject],
    *,
    groups: Mapping[str, str] | None = None,
    unseen: Collection[str] = (),
) -> tuple[KubernetesObject, ...]:
    """The pods of the newest rollout of their workload, without those being deleted.

    A pod of the rollout before that crash-loops is why one upgrades; it must not fail the upgrade. `groups` names the
    newest revision of each LeaderWorkerSet. The workloads in `unseen` have not begun their newest rollout, so none of
    their pods is of it.
    """
    old_sets = _old_replica_sets(replica_sets, unseen)
    return tuple(pod for pod in pods if not _is_old(pod, old_sets, groups or {}, unseen))


def _is_old(
    pod: KubernetesObject, old_sets: Collection[str], groups: Mapping[str, str], unseen: Collection[str]
) -> bool:
    metadata = pod.get("metadata") or {}
    labels = metadata.get("labels") or {}
    group = labels.get(LWS_NAME_LABEL)
    if metadata.get("deletionTimestamp") or _controller(pod, "ReplicaSet") in old_sets or group in unseen:
        return True
    return group is not None and group in groups and labels.get(LWS_REVISION_LABEL) != groups[group]


def _old_replica_sets(replica_sets: Sequence[KubernetesObject], unseen: Collection[str]) -> frozenset[str]:
    """Names of all ReplicaSets of a Deployment but its newest."""
    rollouts: dict[str, list[tuple[int, str]]] = {}  # Deployment -> revision and name of each of its ReplicaSets
    for entry in replica_sets:
        owner = _controller(entry, "Deployment")
        if owner is not None:
            annotations = (entry.get("metadata") or {}).get("annotations") or {}
            number = annotations.get("deployment.kubernetes.io/revision", "0")
            candidate = (int(number) if number.isdigit() else 0, str(entry["metadata"]["name"]))
            rollouts.setdefault(owner, []).append(candidate)
    return frozenset(
        name
        for deployment, sets in rollouts.items()
        for _, name in (sets if deployment in unseen else sorted(sets)[:-1])
    )


def _controller(obj: KubernetesObject, kind: str) -> str | None:
    owners = (obj.get("metadata") or {}).get("ownerReferences") or ()
    return next((str(entry["name"]) for entry in owners if entry.get("controller") and entry.get("kind") == kind), None)
