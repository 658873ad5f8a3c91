"""As many replicas run as are wanted."""

from __future__ import annotations

from typing import Final

from llmdctl.model.proof import Reading
from llmdctl.release.verify.claim import Claim, UnknowableError, Verdict, failed, passed
from llmdctl.release.verify.observed import Observed
from llmdctl.release.verify.stack import Role
from llmdctl.release.verify.wording import counted


def _places(seen: Observed) -> Verdict:
    if not seen.stack.roles:
        raise UnknowableError("no engine is recognised among the rendered objects")
    readings, wrong = [], []
    sleeping = {each.role: each for each in seen.sleeps}
    for role in seen.stack.roles:
        workload = role.engine.container.pod.workload
        live = seen.live.get(f"{workload.kind}/{workload.name}")
        if live is None:
            wrong.append(f"{workload.kind} {workload.name} is not there")
            continue
        wanted = int((live.get("spec") or {}).get("replicas") or 0) * role.members
        pods = seen.of_role(role.name)
        ready = sum(pod.ready for pod in pods)
        readings.append(
            Reading(
                where=f"{workload.kind}/{seen.namespace}/{workload.name}", after=f"{ready} ready", expected=f"{wanted}"
            )
        )
        if wanted == 0 and role.replicas != 0 and role.name not in sleeping:
            wrong.append(_at_zero(seen, role))
        if ready < wanted:
            reason = next((f": {pod.name} {pod.reason or pod.phase}" for pod in pods if not pod.ready), "")
            wrong.append(
                f"{ready} of {wanted} {'pods' if role.members > 1 else 'replicas'} of {role.name} are ready{reason}"
            )
    if wrong:
        return failed(
            f"{'; '.join(wrong)}.", *readings, remedy=(f"$ llmdctl doctor {seen.release} -n {seen.namespace}",)
        )
    if sleeping:
        said = ", ".join(f"role {each.role} sleeps until {each.waker} wakes it" for each in seen.sleeps)
        return passed(f"{said}; {counted(len(seen.ready()), 'pod')} ready.", *readings)
    return passed(f"Every role has the replicas it wants: {len(seen.ready())} pods are ready.", *readings)


def _at_zero(seen: Observed, role: Role) -> str:
    """Raises UnknowableError where whoever brings it back may not be read."""
    found = seen.autoscaling.scaled_objects
    if isinstance(found, str) and seen.stack.of_kind("ScaledObject"):
        raise UnknowableError(f"role {role.name} has 0 replicas, and whether anything wakes it is not known: {found}")
    return f"role {role.name} is scaled to 0, and nothing wakes it"


PROOFS: Final = (
    Claim(
        code="LV1001", slug="replicas-placed", title="Replicas have a place and are ready",
        claim="Of every role, as many pods are ready as its workload wants; one that wants none is woken by somebody.",
        judge=_places,
        why="A release answers with one pod of eight as well; capacity, and what an autoscaler adds, is missing.",
        reads="The workloads' replicas, and their pods.",
        remedy="`llmdctl doctor` says why a pod is pending or not ready.",
    ),
)  # fmt: skip
