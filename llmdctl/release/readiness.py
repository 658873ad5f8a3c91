"""How far one object is, by what its controller wrote into its status. Pure: no cluster, no clock.

Deployments and the general rule follow kstatus (https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus);
kstatus has none for Gateway, HTTPRoute, InferencePool and LeaderWorkerSet and would call them current at once, so
these have rules of their own, each from the API's documentation. A status about an older generation counts as none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from llmdctl.kube import KubernetesObject
from llmdctl.model.release import Readiness
from llmdctl.release.electing import elects


class Verdict(NamedTuple):
    """How far, and why in words."""

    readiness: Readiness
    reason: str


UNSEEN: Final = "not yet seen by its controller"
THERE: Final = "there"


def assess(obj: KubernetesObject | None) -> Verdict:
    """The state of a live object; None stands for one that is not there (yet)."""
    if obj is None:
        return _progressing("not there yet")
    if _metadata(obj).get("deletionTimestamp"):
        return _progressing("being deleted")
    group = str(obj.get("apiVersion", "")).rpartition("/")[0]
    return _RULES.get((group, str(obj.get("kind", ""))), _general)(obj)


def _ready(reason: str) -> Verdict:
    return Verdict(Readiness.READY, reason)


def _progressing(reason: str) -> Verdict:
    return Verdict(Readiness.PROGRESSING, reason)


def _failed(reason: str) -> Verdict:
    return Verdict(Readiness.FAILED, reason)


def _metadata(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    return obj.get("metadata") or {}


def _spec(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    return obj.get("spec") or {}


def _status(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    return obj.get("status") or {}


def condition(holder: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The condition of one type in a status or in one parent's part of it; empty when it is not there."""
    found = (entry for entry in holder.get("conditions") or () if entry.get("type") == kind)
    return next(found, {})


def _says(entry: Mapping[str, Any]) -> str:
    reason, message = entry.get("reason") or "", entry.get("message") or ""
    return f"{reason}: {message}" if reason and message else reason or message or "no reason given"


def _outdated(obj: Mapping[str, Any]) -> bool:
    """The controller has not yet looked at this generation of the spec."""
    seen = _status(obj).get("observedGeneration")
    return isinstance(seen, int) and seen < _metadata(obj).get("generation", 0)


def _deployment(obj: KubernetesObject) -> Verdict:
    """A Deployment that elects is never complete, and its controller calls it late for ever: one has to serve."""
    status = _status(obj)
    if status.get("observedGeneration", 0) < _metadata(obj).get("generation", 1):
        return _progressing(UNSEEN)
    wanted = _spec(obj).get("replicas", 1)
    one = wanted > 1 and elects(obj)  # is enough
    progress = condition(status, "Progressing")
    if progress.get("reason") == "ProgressDeadlineExceeded" and not one:
        return _failed(_says(progress))
    counts = {name: status.get(name) or 0 for name in ("updatedReplicas", "replicas", "availableReplicas")}
    if counts["updatedReplicas"] < wanted:
        return _progressing(f"{counts['updatedReplicas']} of {wanted} replicas updated")
    if counts["replicas"] > counts["updatedReplicas"]:
        return _progressing(f"{counts['replicas'] - counts['updatedReplicas']} old replicas still there")
    available = counts["availableReplicas"]
    if available < (1 if one else wanted):
        return _progressing(f"{available} of {wanted} replicas available")
    return _ready(f"{available} of {wanted} replicas available")


def _stateful_set(obj: KubernetesObject) -> Verdict:
    status, wanted = _status(obj), _spec(obj).get("replicas", 1)
    if _outdated(obj):
        return _progressing(UNSEEN)
    ready, updated = status.get("readyReplicas") or 0, status.get("updatedReplicas") or 0
    if ready < wanted:
        return _progressing(f"{ready} of {wanted} replicas ready")
    if updated < wanted and status.get("updateRevision") != status.get("currentRevision"):
        return _progressing(f"{updated} of {wanted} replicas updated")
    return _ready(f"{wanted} of {wanted} replicas ready")


def _daemon_set(obj: KubernetesObject) -> Verdict:
    status = _status(obj)
    if _outdated(obj):
        return _progressing(UNSEEN)
    wanted = status.get("desiredNumberScheduled")
    if wanted is None:
        return _progressing(UNSEEN)
    done = min(status.get("numberAvailable") or 0, status.get("updatedNumberScheduled") or 0)
    return _ready(f"on {wanted} nodes") if done >= wanted else _progressing(f"on {done} of {wanted} nodes")


def _leader_worker_set(obj: KubernetesObject) -> Verdict:
    """`Available` is true once every group is updated and ready (LWS 0.9 `updateConditions`); it has no `Ready`."""
    status, wanted = _status(obj), _spec(obj).get("replicas", 1)
    if not status.get("conditions"):
        return _progressing("no controller has looked at it yet; is LeaderWorkerSet installed?")
    available = condition(status, "Available")
    if _outdated(obj) or _stale(obj, available):
        return _progressing(UNSEEN)
    ready = status.get("readyReplicas") or 0
    if condition(status, "UpdateInProgress").get("status") == "True":
        return _progressing(f"{status.get('updatedReplicas') or 0} of {wanted} groups updated")
    if available.get("status") == "True" and ready >= wanted:
        return _ready(f"{ready} of {wanted} groups ready")
    return _progressing(f"{ready} of {wanted} groups ready")


def _stale(obj: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """A condition about an older generation than the object's."""
    seen = entry.get("observedGeneration")
    return isinstance(seen, int) and seen < _metadata(obj).get("generation", 0)


def _gateway(obj: KubernetesObject) -> Verdict:
    """Accepted and Programmed must both be True for this generation (Gateway API v1 GatewayConditionType)."""
    for kind in ("Accepted", "Programmed"):
        entry = condition(_status(obj), kind)
        if not entry or _stale(obj, entry) or entry.get("status") == "Unknown":
            return _progressing(f"{kind} not reported yet; is the controller of class {_class(obj)} installed?")
        if entry.get("status") != "True":
            # `Pending` and `AddressNotAssigned` pass; a class or listener that does not fit does not.
            passing = entry.get("reason") in {"Pending", "AddressNotAssigned", "AddressNotUsable", "NoResources"}
            return (_progressing if passing else _failed)(f"not {kind}: {_says(entry)}")
    addresses = [entry.get("value") for entry in _status(obj).get("addresses") or () if entry.get("value")]
    return _ready(f"at {', '.join(map(str, addresses))}" if addresses else "programmed")


def _class(obj: Mapping[str, Any]) -> str:
    return str(_spec(obj).get("gatewayClassName", ""))


def _http_route(obj: KubernetesObject) -> Verdict:
    """Every parent that the spec names must have Accepted and ResolvedRefs for this generation."""
    parents = _status(obj).get("parents") or ()
    named = [str(entry.get("name")) for entry in _spec(obj).get("parentRefs") or ()]
    return _by_parent(obj, named, parents, ("Accepted", "ResolvedRefs"), "parentRef")


def _inference_pool(obj: KubernetesObject) -> Verdict:
    """A pool that a route refers to has one part of status a gateway (GAIE v1 InferencePoolStatus)."""
    parents = _status(obj).get("parents") or ()
    named = [str((entry.get("parentRef") or {}).get("name")) for entry in parents]
    if not parents:
        return _progressing("no gateway has taken it up yet")
    return _by_parent(obj, named, parents, ("Accepted", "ResolvedRefs"), "parentRef")


def _by_parent(
    obj: KubernetesObject,
    named: Sequence[str],
    parents: Sequence[Mapping[str, Any]],
    kinds: Sequence[str],
    reference: str,
) -> Verdict:
    for name in named:
        found = next((entry for entry in parents if (entry.get(reference) or {}).get("name") == name), None)
        if found is None:
            return _progressing(f"gateway {name} has not taken it up yet")
        for kind in kinds:
            entry = condition(found, kind)
            if not entry and kind == "ResolvedRefs":
                continue  # optional for a pool, and a controller that cannot resolve says so
            if not entry or _stale(obj, entry) or entry.get("status") == "Unknown":
                return _progressing(f"{kind} not reported yet by gateway {name}")
            if entry.get("status") != "True":
                # A backend or gateway of the same release may come a moment later, so these are not final.
                return _progressing(f"not {kind} by gateway {name}: {_says(entry)}")
    return _ready(f"accepted by {', '.join(named)}" if named else "has no parents")


def _scaled_object(obj: KubernetesObject) -> Verdict:
    """KEDA sets Ready when it has made the HorizontalPodAutoscaler (keda.sh/v1alpha1)."""
    entry = condition(_status(obj), "Ready")
    if condition(_status(obj), "Paused").get("status") == "True":
        return _ready("paused")
    if not entry or entry.get("status") == "Unknown":
        return _progressing("no controller has looked at it yet; is KEDA installed?")
    if entry.get("status") == "True":
        return _ready(_says(entry))
    # KEDA retries: a Prometheus that is not up yet passes.
    return _progressing(f"not Ready: {_says(entry)}")


def _horizontal_pod_autoscaler(obj: KubernetesObject) -> Verdict:
    status = _status(obj)
    able, active = condition(status, "AbleToScale"), condition(status, "ScalingActive")
    if not able:
        return _progressing(UNSEEN)
    if able.get("status") == "False":
        return _progressing(f"cannot scale: {_says(able)}")
    if active.get("status") == "False" and active.get("reason") != "ScalingDisabled":
        return _progressing(f"has no metric yet: {_says(active)}")
    return _ready(f"{status.get('currentReplicas', 0)} replicas now")


def _pod(obj: KubernetesObject) -> Verdict:
    phase = str(_status(obj).get("phase", "Pending"))
    ready = condition(_status(obj), "Ready").get("status") == "True"
    if phase == "Succeeded":
        return _ready("completed")
    if phase == "Failed":
        return _failed(str(_status(obj).get("message") or _status(obj).get("reason") or "failed"))
    return _ready("ready") if ready else _progressing(phase.lower())


def _job(obj: KubernetesObject) -> Verdict:
    status = _status(obj)
    failed = condition(status, "Failed")
    if failed.get("status") == "True":
        return _failed(_says(failed))
    if condition(status, "Complete").get("status") == "True":
        return _ready("completed")
    return _progressing(f"{status.get('active') or 0} running")


def _persistent_volume_claim(obj: KubernetesObject) -> Verdict:
    phase = _status(obj).get("phase", "Pending")
    if phase == "Bound":
        return _ready("bound")
    return _failed("its volume is lost") if phase == "Lost" else _progressing(str(phase).lower())


def _custom_resource_definition(obj: KubernetesObject) -> Verdict:
    names = condition(_status(obj), "NamesAccepted")
    if names.get("status") == "False":
        return _failed(_says(names))
    established = condition(_status(obj), "Established").get("status") == "True"
    return _ready("established") if established else _progressing("not established yet")


def _general(obj: KubernetesObject) -> Verdict:
    """kstatus for every other kind: Stalled fails, Reconciling and Ready=False wait, no status at all is ready."""
    if _outdated(obj):
        return _progressing(UNSEEN)
    status = _status(obj)
    stalled = condition(status, "Stalled")
    if stalled.get("status") == "True":
        return _failed(_says(stalled))
    reconciling = condition(status, "Reconciling")
    if reconciling.get("status") == "True":
        return _progressing(_says(reconciling))
    ready = condition(status, "Ready")
    if ready and ready.get("status") != "True":
        return _progressing(f"not Ready: {_says(ready)}")
    return _ready(THERE)


_RULES: Final[dict[tuple[str, str], Callable[[KubernetesObject], Verdict]]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("", "Pod"): _pod,
    ("", "PersistentVolumeClaim"): _persistent_volume_claim,
    ("batch", "Job"): _job,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _custom_resource_definition,
    ("autoscaling", "HorizontalPodAutoscaler"): _horizontal_pod_autoscaler,
    ("gateway.networking.k8s.io", "Gateway"): _gateway,
    ("gateway.networking.k8s.io", "HTTPRoute"): _http_route,
    ("inference.networking.k8s.io", "InferencePool"): _inference_pool,
    ("keda.sh", "ScaledObject"): _scaled_object,
    ("leaderworkerset.x-k8s.io", "LeaderWorkerSet"): _leader_worker_set,
}
