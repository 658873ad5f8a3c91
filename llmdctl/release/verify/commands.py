"""Commands that show more of what a proof looked at, ready to be copied: with names, namespaces and containers."""

from __future__ import annotations

from collections.abc import Mapping

from llmdctl.release.verify.observed import EnginePod, Observed
from llmdctl.release.verify.stack import Role


def kubectl(seen: Observed, what: str) -> str:
    """In the namespace of the release."""
    return f"$ kubectl -n {seen.namespace} {what}"


def doctor(seen: Observed) -> str:
    """Which hop is broken."""
    return f"$ llmdctl doctor {seen.release} -n {seen.namespace}"


def picker_log(seen: Observed, lines: int = 50) -> str:
    """The words of the endpoint picker alone: a proxy may stand beside it."""
    epp = seen.stack.epp
    if epp is None:
        return kubectl(seen, "get pods")
    return kubectl(seen, f"logs -l {_selector(epp.container.pod.labels)} -c {epp.container.name} --tail={lines}")


def engine_log(seen: Observed, pod: EnginePod) -> str:
    """The words of one engine."""
    return kubectl(seen, f"logs {pod.name} -c {seen.role(pod).engine.container.name} --tail=200")


def sidecar_log(seen: Observed, role: str) -> str:
    """The words of the routing sidecars of a role."""
    for found in seen.stack.roles:
        sidecar = seen.stack.world.sidecar_in(found.engine.container.pod)
        if found.name == role and sidecar is not None:
            return kubectl(seen, f"logs -l {_selector(found.labels)} -c {sidecar.container.name} --tail=50")
    return kubectl(seen, f"get pods -l llm-d.ai/role={role}")


def workload(seen: Observed, role: Role) -> str:
    """What a role's pods are made from, as it is now."""
    found = role.engine.container.pod.workload
    return kubectl(seen, f"get {found.kind.lower()} {found.name} -o yaml")


def _selector(labels: Mapping[str, object]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())
