"""Clearing a release that a killed process left half done.

Helm refuses every operation on a release that is marked pending. That mark is also its lock, so it is cleared only
when the process that set it is known to be gone, or when it is so old that no operation of llmdctl still runs.
"""

from __future__ import annotations

from typing import Final

from llmdctl.errors import HelmError
from llmdctl.helm import Helm
from llmdctl.kube import Cluster, key_of
from llmdctl.release.changes import placed
from llmdctl.release.clock import Clock
from llmdctl.release.events import Noticed, Reporter
from llmdctl.release.leaving import wait_gone
from llmdctl.release.operation import Operator, has_orphan, operator_of
from llmdctl.release.record import DEPLOYED, Revision, revisions

_ORPHAN_S: Final = 60.0  # a helm whose llmdctl was killed goes on to its end, which is a matter of seconds
_ELSEWHERE_S: Final = 900.0  # helm's part of an install takes seconds; nobody's clock is this wrong
_POLL_S: Final = 0.5
_OVER: Final = frozenset({Operator.GONE, Operator.THIS})  # who signed is not at work any more, or is here


def clear_pending(
    helm: Helm, cluster: Cluster, name: str, namespace: str, *, timeout_s: float, clock: Clock, report: Reporter
) -> Revision | None:
    """Bring a release out of a pending state; the newest revision afterwards, None when there is none (left).

    Raises HelmError when another process is at work on it, or may be.
    """
    found = _after_orphans(cluster, name, namespace, clock)
    last = found[-1] if found else None
    if last is None or not (last.pending or last.helm_status == "uninstalling"):
        return last
    _refuse_if_alive(last, clock)
    good = [revision for revision in found if revision.helm_status == DEPLOYED]
    if good and last.helm_status != "uninstalling":
        report(
            Noticed(
                message=f"revision {last.revision} of {name} was left in {last.helm_status} by a process that was"
                f" killed: going back to revision {good[-1].revision} first"
            )
        )
        helm.rollback(name, namespace, good[-1].revision, timeout_s=timeout_s)
    else:
        report(
            Noticed(message=f"{name} was left in {last.helm_status} by a process that was killed: removing its remains")
        )
        keys = [key_of(obj) for obj in placed(helm.manifest(name, namespace, last.revision).objects, namespace)]
        helm.uninstall(name, namespace, timeout_s=timeout_s)
        wait_gone(cluster, keys, name=name, namespace=namespace, timeout_s=timeout_s, clock=clock, report=report)
    left = revisions(cluster, name, namespace)
    return left[-1] if left else None


def _after_orphans(cluster: Cluster, name: str, namespace: str, clock: Clock) -> tuple[Revision, ...]:
    """The revisions, once a helm that outlived its llmdctl has ended. Raises HelmError when it does not."""
    started_s = clock.monotonic()
    while True:
        found = revisions(cluster, name, namespace)
        last = found[-1] if found else None
        if last is None or not last.pending or operator_of(last.facts.operation) not in _OVER:
            return found
        if not has_orphan(last.facts.operation):
            return revisions(cluster, name, namespace)  # it may have ended well just now
        if clock.monotonic() - started_s >= _ORPHAN_S:
            raise HelmError(
                f"a helm of an earlier run is still at work on release {name}",
                remedy="Wait for it to end, or end it, and run this command again.",
            )
        clock.sleep(_POLL_S)


def _refuse_if_alive(last: Revision, clock: Clock) -> None:
    operator = operator_of(last.facts.operation)
    age_s = clock.now() - last.changed_s
    if operator in _OVER:
        return
    if operator is Operator.ELSEWHERE and age_s >= _ELSEWHERE_S:
        return
    by = "another llmdctl on this machine" if operator is Operator.ALIVE else operator.value
    first = last.helm_status in {"pending-install", "uninstalling"}
    clear = f"helm uninstall {last.name}" if first else f"helm rollback {last.name}"
    raise HelmError(
        f"release {last.name} is {last.helm_status} since {age_s:.0f} s: {by} is, or was, at work on it",
        remedy=f"Wait for it to end. If nobody is: {clear} --namespace {last.namespace}, then run this command again.",
    )
