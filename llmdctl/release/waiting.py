"""Waiting until a release is ready, and giving up early when it cannot become so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from llmdctl.errors import UnreachableError
from llmdctl.kube import Cluster, KubernetesObject, key_of
from llmdctl.model.release import ObjectKey, ObjectState, Readiness
from llmdctl.release.clock import SYSTEM_CLOCK, Clock
from llmdctl.release.diagnosis import broken_pods, failed_objects, out_of_time
from llmdctl.release.events import Noticed, Reporter, WaitTick, silent
from llmdctl.release.pods import Patience
from llmdctl.release.readiness import THERE
from llmdctl.release.snapshot import Snapshot, look

_SHORTEST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 2.0
_SOON_S: Final = 0.03  # the first pause once all pods are ready: their controllers have but to count them
_PAUSED: Final = 0.1  # of the time that has passed: what is ready is noticed late by at most a tenth
_OUTAGE_S: Final = 60.0  # an API server that restarts; a wait may last an hour
_FAILED_S: Final = 3.0  # a failed status must last: some controllers write one before they have looked around
_WITHOUT_STATUS: Final = frozenset(  # no controller has anything to say of these: to be there is all they can
    {"ConfigMap", "Secret", "ServiceAccount", "Service", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding",
     "NetworkPolicy"}
)  # fmt: skip
# What says nothing about itself beyond being there, and is not asked again once it is.
_STATIC: Final = _WITHOUT_STATUS | {"PodDisruptionBudget", "PodMonitor", "ServiceMonitor", "PrometheusRule"}


def there(objects: Sequence[KubernetesObject]) -> dict[ObjectKey, ObjectState]:
    """What is known of objects that were applied or seen a moment ago: those that nothing else is to be known of."""
    keys = (key_of(obj) for obj in objects if obj.get("kind") in _WITHOUT_STATUS)
    return {key: ObjectState(key=key, readiness=Readiness.READY, reason=THERE) for key in keys}


def wait(
    cluster: Cluster,
    objects: Sequence[KubernetesObject],
    *,
    name: str,
    namespace: str,
    timeout_s: float,
    patience: Patience | None = None,
    known: Mapping[ObjectKey, ObjectState] | None = None,
    clock: Clock = SYSTEM_CLOCK,
    report: Reporter = silent,
) -> Snapshot:
    """The state in which everything is ready; `objects` are as rendered, with their namespaces. Those in `known` are
    not asked for (see `there`).

    Raises WaitError: at once when a pod or object is in a state that waiting does not change, with the container's
    reason and its last log lines; else when `timeout_s` is over, with everything that is missing.
    """
    return _Wait(
        cluster=cluster,
        objects=objects,
        name=name,
        namespace=namespace,
        timeout_s=timeout_s,
        patience=patience or Patience(),
        settled=dict(known or {}),
        clock=clock,
        report=report,
    ).run()


@dataclass(kw_only=True)
class _Wait:
    """One wait, and what it remembers between two looks."""

    cluster: Cluster
    objects: Sequence[KubernetesObject]
    name: str
    namespace: str
    timeout_s: float
    patience: Patience
    clock: Clock
    report: Reporter
    settled: dict[ObjectKey, ObjectState] = field(default_factory=dict)
    last: Snapshot | None = None
    pods_ready_since_s: float | None = None
    failed_since_s: float | None = None
    unreachable_since_s: float | None = None

    def run(self) -> Snapshot:
        started_s = self.clock.monotonic()
        while True:
            seen = self._look()
            left_s = self.timeout_s - (self.clock.monotonic() - started_s)
            if seen is not None:
                self.report(
                    WaitTick(
                        objects=seen.objects,
                        pods=seen.pods,
                        elapsed_s=self.timeout_s - left_s,
                        left_s=max(0.0, left_s),
                    )
                )
                if seen.readiness is Readiness.READY:
                    return seen
                self._give_up_early(seen)
            if left_s <= 0:
                raise out_of_time(self.cluster, self.last, self.namespace, self.timeout_s)
            self.clock.sleep(min(self._pause_s(self.timeout_s - left_s), left_s))

    def _pause_s(self, waited_s: float) -> float:
        """How long until the next look; from when all pods are ready, it is counted anew."""
        if self.pods_ready_since_s is None:
            shortest_s = _SHORTEST_PAUSE_S
        else:
            shortest_s, waited_s = _SOON_S, self.clock.monotonic() - self.pods_ready_since_s
        return min(max(waited_s * _PAUSED, shortest_s), _LONGEST_PAUSE_S)

    def _look(self) -> Snapshot | None:
        """A look, or None while the API server does not answer. Raises UnreachableError when that lasts."""
        try:
            seen = look(
                self.cluster,
                self.objects,
                name=self.name,
                namespace=self.namespace,
                now_s=self.clock.now(),
                patience=self.patience,
                settled=self.settled,
            )
        except UnreachableError as error:
            now_s = self.clock.monotonic()
            if self.unreachable_since_s is None:
                self.unreachable_since_s = now_s
                self.report(Noticed(message=f"{error.message}; trying again for {_OUTAGE_S:.0f} s"))
            if now_s - self.unreachable_since_s >= _OUTAGE_S:
                raise
            return None
        self.unreachable_since_s, self.last = None, seen
        if not seen.pods or not all(pod.ready for pod in seen.pods):
            self.pods_ready_since_s = None
        elif self.pods_ready_since_s is None:
            self.pods_ready_since_s = self.clock.monotonic()
        self.settled |= {
            state.key: state
            for state in seen.objects
            if state.key.kind in _STATIC and state.readiness is Readiness.READY
        }
        return seen

    def _give_up_early(self, seen: Snapshot) -> None:
        """Raise WaitError for what cannot become ready any more."""
        final = [ailment for ailment in seen.ailments if ailment.final]
        if final:
            raise broken_pods(self.cluster, final, self.namespace)
        now_s = self.clock.monotonic()
        if all(state.readiness is not Readiness.FAILED for state in seen.objects):
            self.failed_since_s = None
        elif self.failed_since_s is None:
            self.failed_since_s = now_s
        elif now_s - self.failed_since_s >= _FAILED_S:
            raise failed_objects(self.cluster, seen, self.namespace)
