"""Workloads that sleep: at zero replicas because KEDA took the last away, and meant to come back. Pure.

https://keda.sh/docs/2.21/reference/scaledobject-spec/#minreplicacount
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

Object = Mapping[str, Any]
HELPERS: Final = frozenset({"prefill", "encode"})
"""Roles that no request reaches first: with one of these away, another still answers."""


def waker(workload: Object, scaled_objects: Iterable[Object]) -> Object | None:
    """The ScaledObject that may scale a workload of the same namespace to zero, and back."""
    kind, metadata = workload.get("kind"), workload.get("metadata") or {}
    for item in scaled_objects:
        spec = item.get("spec") or {}
        target = spec.get("scaleTargetRef") or {}
        if (
            (target.get("kind") or "Deployment", target.get("name")) == (kind, metadata.get("name"))
            and (item.get("metadata") or {}).get("namespace") == metadata.get("namespace")
            and may_sleep(item)
        ):
            return item
    return None


def may_sleep(scaled_object: Object) -> bool:
    """Whether it goes to zero when nobody asks."""
    return not (scaled_object.get("spec") or {}).get("minReplicaCount")


def is_at_zero(workload: Object) -> bool:
    """Whether nobody is wanted at the moment. Without a number Kubernetes wants one."""
    return (workload.get("spec") or {}).get("replicas") == 0


def is_paused(scaled_object: Object) -> bool:
    """Whether somebody told KEDA to leave it alone."""
    return (_conditions(scaled_object).get("Paused") or {}).get("status") == "True"


def _conditions(scaled_object: Object) -> Mapping[str, Object]:
    rows = (scaled_object.get("status") or {}).get("conditions") or ()
    return {str(row.get("type")): row for row in rows}


def hindrance(scaled_object: Object) -> tuple[str, str] | None:
    """Why nobody will be woken, with the command that shows or mends it; None where nothing stands against it."""
    metadata = scaled_object.get("metadata") or {}
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if is_paused(scaled_object):
        return f"ScaledObject {name} is paused", (
            f"$ kubectl -n {namespace} annotate scaledobject {name} autoscaling.keda.sh/paused- "
            "autoscaling.keda.sh/paused-replicas-"
        )
    ready = _conditions(scaled_object).get("Ready")
    if ready is None:
        return f"nobody has looked at ScaledObject {name}: KEDA's operator does not run", "$ kubectl -n keda get pods"
    if ready.get("status") == "False":
        words = ": ".join(str(ready[key]) for key in ("reason", "message") if ready.get(key)) or "no reason given"
        return f"ScaledObject {name} is not ready: {words}", f"$ kubectl -n {namespace} describe scaledobject {name}"
    return None
