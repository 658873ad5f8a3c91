"""As many replicas run as are wanted."""

from __future__ import annotations

from typing import Final

from llmdctl.model.proof import Reading
from llmdctl.release.verify.claim import Claim, UnknowableError, Verdict, failed, passed
from llmdctl.release.verify.observed import Observed


def _places(seen: Observed) -> Verdict:
    if not seen.stack.roles:
        raise UnknowableError("no engine is recognised among the rendered objects")
    readings, wrong = [], []
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
        if ready < wanted:
            reason = next((f": {pod.name} {pod.reason or pod.phase}" for pod in pods if not pod.ready), "")
            wrong.append(
                f"{ready} of {wanted} {'pods' if role.members > 1 else 'replicas'} of {role.name} are ready{reason}"
            )
    if wrong:
        return failed(
            f"{'; '.join(wrong)}.", *readings, remedy=(f"$ llmdctl doctor {seen.release} -n {seen.namespace}",)
        )
    return passed(f"Every role has the replicas it wants: {len(seen.ready())} pods are ready.", *readings)


PROOFS: Final = (
    Claim(
        code="LV1001", slug="replicas-placed", title="Replicas have a place and are ready",
        claim="Of every role, as many pods are ready as its workload wants.",
        judge=_places,
        why="A release answers with one pod of eight as well; capacity, and what an autoscaler adds, is missing.",
        reads="The workloads' replicas, and their pods.",
        remedy="`llmdctl doctor` says why a pod is pending or not ready.",
    ),
)  # fmt: skip
