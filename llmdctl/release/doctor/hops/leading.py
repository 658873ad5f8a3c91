"""Pickers that elect one of them: who serves, and why nobody does right after a leader has died."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from llmdctl.lint import Manifest
from llmdctl.lint.manifest import look
from llmdctl.model.check import Evidence
from llmdctl.model.hop import Hop, HopName
from llmdctl.release.doctor.ailing import seconds_since, waits, workload
from llmdctl.release.doctor.case import Case, epp_in
from llmdctl.release.doctor.failures import EPP, told
from llmdctl.release.doctor.scene import LivePod
from llmdctl.release.doctor.verdicts import broken, kubectl
from llmdctl.release.electing import LEASE_S, TAKEOVER_S
from llmdctl.release.redaction import redact_text

_EXPECTED: Final = "one replica that leads and is ready; the others wait and never are"


class _Picker(NamedTuple):
    """A replica, whatever its state."""

    pod: LivePod
    container: str
    waits: bool  # runs, and is not elected
    since_s: float | None  # its start
    ended_s: float | None  # since the end of what ran in it, or ran before
    code: object  # how that ended

    @property
    def changed_s(self) -> float:
        """Since something last happened to it."""
        return min((each for each in (self.since_s, self.ended_s) if each is not None), default=float("inf"))


def lease_name(case: Case) -> str:
    """The front of the lease's name: `epp-NAMESPACE-POOL.`, then a domain by version.

    Source: `LeaderElectionID` in pkg/epp/server/controller_manager.go of
    https://github.com/kubernetes-sigs/gateway-api-inference-extension v1.4.0 and https://github.com/llm-d/llm-d-router.
    """
    return f"epp-{case.namespace}-{case.name}."


def nobody(case: Case) -> Hop | None:
    """Broken: replicas run and wait, and none is ready. None where one is, or where nobody waits."""
    pickers = [found for pod in case.epp_pods if (found := _picker(case, pod)) is not None]
    waiting = [found for found in pickers if found.waits]
    if not waiting or any(pod.ready for pod in case.epp_pods):
        return None
    newest = min(pickers, key=lambda found: found.changed_s)
    if newest.changed_s < TAKEOVER_S:
        return _soon(case, newest)
    return _by_log(case, waiting) or _never(case, waiting)


def _picker(case: Case, pod: LivePod) -> _Picker | None:
    found = epp_in(pod)
    if found is None:
        return None
    row = pod.status(found[0].name)
    over = look(row, "state", "terminated") or look(row, "lastState", "terminated")
    return _Picker(
        pod=pod,
        container=found[0].name,
        waits=waits(case.scene, pod, found[0].name),
        since_s=seconds_since(case.scene, look(row, "state", "running", "startedAt")),
        ended_s=seconds_since(case.scene, look(over, "finishedAt")),
        code=look(over, "exitCode"),
    )


def _soon(case: Case, newest: _Picker) -> Hop:
    """The seconds in which the lease of a leader that was killed runs out. One that stops in order gives it back."""
    pod, ended_s = newest.pod, newest.ended_s
    ended = ended_s is not None and ended_s < TAKEOVER_S
    what = (
        f"the picker in {pod.name} ended {ended_s:.0f} s ago (exit code {newest.code})"
        if ended
        else f"{pod.name} started {newest.since_s:.0f} s ago"
    )
    return broken(
        HopName.EPP,
        _place(pod),
        f"none of {len(case.epp_pods)} replicas is elected yet: {what}, and a leader that was killed keeps its lease "
        f"for {LEASE_S:.0f} s",
        _EXPECTED,
        f"It mends itself: another one takes over within {max(1.0, TAKEOVER_S - newest.changed_s):.0f} s. Ask again "
        "then.",
        kubectl("get leases", case.namespace),
        kubectl(f"logs {pod.name} -c {newest.container}{' --previous' if ended else ''} --tail=50", pod.namespace),
        evidence=_held(case),
    )


def _by_log(case: Case, waiting: list[_Picker]) -> Hop | None:
    """A reason in their own words, such as no right to leases."""
    for found in waiting:
        meant = told(case.scene.log(found.pod, found.container), EPP, case.namespace)
        if meant is not None:
            return broken(
                HopName.EPP,
                _place(found.pod),
                f"none of {len(case.epp_pods)} replicas is elected: {meant.words}",
                _EXPECTED,
                meant.remedy,
                kubectl(f"logs {found.pod.name} -c {found.container}", found.pod.namespace),
                evidence=(
                    Evidence(object=f"log of {found.container}", observed=redact_text(meant.line)[:300]),
                    *_held(case),
                ),
            )
    return None


def _never(case: Case, waiting: list[_Picker]) -> Hop:
    """Nobody leads although nothing has happened for long; or somebody does, and is not ready."""
    leading = next((found for found in waiting if found.pod.name in _leaders(case)), None)
    chosen = leading or waiting[0]
    saw = (
        f"{chosen.pod.name} leads, by the lease that it renews, and is not ready"
        if leading
        else f"none of {len(case.epp_pods)} replicas is elected: {len(waiting)} run and wait for the lease"
    )
    return broken(
        HopName.EPP,
        _place(chosen.pod),
        saw,
        _EXPECTED,
        kubectl(f"logs {chosen.pod.name} -c {chosen.container} --tail=50", chosen.pod.namespace),
        kubectl("get leases", case.namespace),
        kubectl(f"rollout restart {' '.join(workload(chosen.pod))}", chosen.pod.namespace),
        evidence=_held(case),
    )


def _place(pod: LivePod) -> str:
    return f"Pod/{pod.namespace}/{pod.name}"


def _leases(case: Case) -> Iterator[Manifest]:
    """The lease of this pool's pickers, where it could be read."""
    for lease in case.scene.of("Lease", namespace=case.namespace):
        if lease.name.startswith(lease_name(case)):
            yield lease


def _leaders(case: Case) -> frozenset[str]:
    """Pods that hold a lease which is not over."""
    return frozenset(
        _holder(lease)
        for lease in _leases(case)
        if (age_s := seconds_since(case.scene, lease.get("spec", "renewTime"))) is not None and age_s < LEASE_S
    )


def _holder(lease: Manifest) -> str:
    """`POD_UUID` -> POD."""
    return lease.text("spec", "holderIdentity").partition("_")[0]


def _held(case: Case) -> tuple[Evidence, ...]:
    return tuple(Evidence(object=lease.identity, observed=_holding(case, lease)) for lease in _leases(case))


def _holding(case: Case, lease: Manifest) -> str:
    holder = _holder(lease)
    if not holder:
        return "nobody holds it"
    gone = "" if any(pod.name == holder for pod in case.epp_pods) else " (which is gone)"
    renewed_s = seconds_since(case.scene, lease.get("spec", "renewTime"))
    renewed = "" if renewed_s is None else f", renewed {renewed_s:.0f} s ago"
    return f"held by {holder}{gone}{renewed}, for {lease.get('spec', 'leaseDurationSeconds')} s at a time"
