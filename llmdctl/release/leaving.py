"""Waiting until objects are gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llmdctl.errors import Problem, WaitError
from llmdctl.kube import Cluster, KubernetesObject, key_of
from llmdctl.model.release import ObjectKey, ObjectState, Readiness
from llmdctl.release.clock import Clock
from llmdctl.release.events import Reporter, WaitTick
from llmdctl.release.pods import state_of
from llmdctl.release.reading import find_all
from llmdctl.release.snapshot import INSTANCE_LABEL

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 1.0


def wait_gone(
    cluster: Cluster,
    keys: Sequence[ObjectKey],
    *,
    name: str,
    namespace: str,
    timeout_s: float,
    clock: Clock,
    report: Reporter,
) -> None:
    """Wait until none of the objects, and no pod of the release, is left.

    Raises WaitError with what is still there, and what holds it, when the time is over.
    """
    started_s, pause_s, left = clock.monotonic(), _FIRST_PAUSE_S, list(keys)
    while True:
        live = find_all(cluster, left)
        left = list(live)
        pods = cluster.list_objects("v1", "Pod", namespace=namespace, labels={INSTANCE_LABEL: name})
        if not left and not pods:
            return
        elapsed_s = clock.monotonic() - started_s
        states = tuple(
            ObjectState(key=key, readiness=Readiness.PROGRESSING, reason=_holds(obj)) for key, obj in live.items()
        )
        shown = tuple(state_of(pod, now_s=clock.now()) for pod in pods)
        report(WaitTick(objects=states, pods=shown, elapsed_s=elapsed_s, left_s=max(0.0, timeout_s - elapsed_s)))
        if elapsed_s >= timeout_s:
            raise _still_there(live, pods, timeout_s)
        clock.sleep(min(pause_s, timeout_s - elapsed_s))
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _holds(obj: KubernetesObject) -> str:
    metadata = obj.get("metadata") or {}
    finalizers = [str(entry) for entry in metadata.get("finalizers") or ()]
    if not metadata.get("deletionTimestamp"):
        return "not deleted yet"
    return f"being deleted, held by the finalizer {', '.join(finalizers)}" if finalizers else "being deleted"


def _still_there(
    live: dict[ObjectKey, KubernetesObject], pods: Sequence[KubernetesObject], timeout_s: float
) -> WaitError:
    problems = [Problem(message=f"{key}: {_holds(obj)}") for key, obj in live.items()]
    problems += [Problem(message=f"{key_of(pod)}: {_holds(pod)}") for pod in pods]
    return WaitError(
        f"still there after {timeout_s:.0f} s",
        problems=tuple(problems),
        remedy="Run the command again to wait longer. Is the controller running that set the finalizer?",
    )
