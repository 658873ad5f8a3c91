"""Readiness rules, a table a kind: what the controller wrote, what we make of it."""

from __future__ import annotations

from typing import Any

import pytest

from llmdctl.model.release import Readiness
from llmdctl.release.readiness import assess

READY, WAIT, FAILED = Readiness.READY, Readiness.PROGRESSING, Readiness.FAILED


def cond(kind: str, status: str, reason: str = "R", **more: Any) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": "m", **more}


def obj(
    api_version: str, kind: str, status: dict[str, Any] | None, *, generation: int = 2, **spec: Any
) -> dict[str, Any]:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": "x", "generation": generation},
        "spec": spec,
        "status": status,
    }


def deployment(**status: Any) -> dict[str, Any]:
    return obj("apps/v1", "Deployment", {"observedGeneration": 2} | status, replicas=2)


def elected(**status: Any) -> dict[str, Any]:
    """Replicas of which one serves and the others wait, never ready, to take over."""
    template = {"spec": {"containers": [{"name": "epp", "args": ["--ha-enable-leader-election=true"]}]}}
    return obj("apps/v1", "Deployment", {"observedGeneration": 2} | status, replicas=2, template=template)


DONE = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
DEPLOYMENTS = [
    (deployment(observedGeneration=1, **DONE), WAIT, "not yet seen"),
    (obj("apps/v1", "Deployment", None, replicas=1), WAIT, "not yet seen"),
    (deployment(), WAIT, "0 of 2 replicas updated"),
    (deployment(**DONE | {"replicas": 3}), WAIT, "1 old replicas still there"),
    (deployment(**DONE | {"availableReplicas": 1}), WAIT, "1 of 2 replicas available"),
    (deployment(**DONE), READY, "2 of 2"),
    (
        deployment(conditions=[cond("Progressing", "False", "ProgressDeadlineExceeded")]),
        FAILED,
        "ProgressDeadlineExceeded: m",
    ),
    (deployment(**DONE, conditions=[cond("Progressing", "False", "ProgressDeadlineExceeded")]), FAILED, "m"),
    (obj("apps/v1", "Deployment", {"observedGeneration": 2}, replicas=0), READY, "0 of 0"),
    (elected(**DONE | {"availableReplicas": 0}), WAIT, "0 of 2 replicas available"),
    (elected(**DONE | {"availableReplicas": 1}), READY, "1 of 2"),
    (
        elected(
            **DONE | {"availableReplicas": 1}, conditions=[cond("Progressing", "False", "ProgressDeadlineExceeded")]
        ),
        READY,
        "1 of 2",
    ),
    (elected(**DONE | {"replicas": 3, "availableReplicas": 1}), WAIT, "1 old replicas still there"),
]

GATEWAY = "gateway.networking.k8s.io/v1"


def gateway(*conditions: dict[str, Any], **status: Any) -> dict[str, Any]:
    return obj(GATEWAY, "Gateway", {"conditions": list(conditions), **status}, gatewayClassName="istio")


YES = {"observedGeneration": 2}
GATEWAYS = [
    (gateway(), WAIT, "is the controller of class istio installed?"),
    (gateway(cond("Accepted", "Unknown", "Pending")), WAIT, "Accepted not reported"),
    (gateway(cond("Accepted", "True", **YES)), WAIT, "Programmed not reported"),
    (gateway(cond("Accepted", "True", observedGeneration=1), cond("Programmed", "True", **YES)), WAIT, "Accepted not"),
    (gateway(cond("Accepted", "False", "InvalidParameters", **YES)), FAILED, "not Accepted: InvalidParameters: m"),
    (gateway(cond("Accepted", "True"), cond("Programmed", "False", "AddressNotAssigned")), WAIT, "AddressNotAssigned"),
    (gateway(cond("Accepted", "True"), cond("Programmed", "False", "Invalid")), FAILED, "not Programmed"),
    (
        gateway(cond("Accepted", "True"), cond("Programmed", "True"), addresses=[{"value": "10.0.0.1"}]),
        READY,
        "at 10.0.0.1",
    ),
]


def route(*parents: dict[str, Any], refs: tuple[str, ...] = ("g",)) -> dict[str, Any]:
    return obj(GATEWAY, "HTTPRoute", {"parents": list(parents)}, parentRefs=[{"name": name} for name in refs])


def parent(name: str, *conditions: dict[str, Any]) -> dict[str, Any]:
    return {"parentRef": {"name": name}, "conditions": list(conditions)}


TAKEN = (cond("Accepted", "True", **YES), cond("ResolvedRefs", "True", **YES))
ROUTES = [
    (route(), WAIT, "gateway g has not taken it up"),
    (route(parent("other", *TAKEN)), WAIT, "gateway g has not taken it up"),
    (route(parent("g", *TAKEN)), READY, "accepted by g"),
    (route(parent("g", *TAKEN), refs=("g", "h")), WAIT, "gateway h"),
    (route(parent("g", *TAKEN), parent("h", *TAKEN), refs=("g", "h")), READY, "g, h"),
    (route(parent("g", cond("Accepted", "True", observedGeneration=1))), WAIT, "Accepted not reported"),
    (
        route(parent("g", cond("Accepted", "True"), cond("ResolvedRefs", "False", "BackendNotFound"))),
        WAIT,
        "not ResolvedRefs by gateway g: BackendNotFound: m",
    ),
]

LWS = "leaderworkerset.x-k8s.io/v1"


def lws(*conditions: dict[str, Any], ready: int = 0) -> dict[str, Any]:
    return obj(LWS, "LeaderWorkerSet", {"conditions": list(conditions), "readyReplicas": ready}, replicas=2)


LEADER_WORKER_SETS = [
    (lws(), WAIT, "is LeaderWorkerSet installed?"),
    (lws(cond("Progressing", "True"), ready=1), WAIT, "1 of 2 groups ready"),
    (lws(cond("Available", "True", observedGeneration=1), ready=2), WAIT, "not yet seen"),
    (
        obj(LWS, "LeaderWorkerSet", {"conditions": [cond("Available", "True")], "observedGeneration": 1}, replicas=2),
        WAIT,
        "not yet seen",
    ),
    (lws(cond("Available", "False"), cond("Progressing", "True"), ready=1), WAIT, "1 of 2 groups ready"),
    (lws(cond("Available", "True"), ready=1), WAIT, "1 of 2 groups ready"),
    (lws(cond("Available", "True"), ready=2), READY, "2 of 2 groups ready"),
    (lws(cond("Available", "True"), cond("UpdateInProgress", "True"), ready=2), WAIT, "groups updated"),
]

POOL = "inference.networking.k8s.io/v1"
POOLS = [
    (obj(POOL, "InferencePool", {}), WAIT, "no gateway"),
    (obj(POOL, "InferencePool", {"parents": [parent("g", cond("Accepted", "True"))]}), READY, "accepted by g"),
    (obj(POOL, "InferencePool", {"parents": [parent("g", *TAKEN)]}), READY, "accepted by g"),
    (obj(POOL, "InferencePool", {"parents": [parent("g", cond("Accepted", "False"))]}), WAIT, "not Accepted"),
]

KEDA = "keda.sh/v1alpha1"
SCALED = [
    (obj(KEDA, "ScaledObject", None), WAIT, "is KEDA installed?"),
    (obj(KEDA, "ScaledObject", {"conditions": [cond("Ready", "Unknown")]}), WAIT, "is KEDA installed?"),
    (
        obj(KEDA, "ScaledObject", {"conditions": [cond("Ready", "False", "ScaledObjectCheckFailed")]}),
        WAIT,
        "CheckFailed",
    ),
    (obj(KEDA, "ScaledObject", {"conditions": [cond("Ready", "True", "ScaledObjectReady")]}), READY, "Ready"),
    (obj(KEDA, "ScaledObject", {"conditions": [cond("Paused", "True")]}), READY, "paused"),
    (obj("autoscaling/v2", "HorizontalPodAutoscaler", None), WAIT, "not yet seen"),
    (
        obj(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            {"conditions": [cond("AbleToScale", "True"), cond("ScalingActive", "False", "FailedGetExternalMetric")]},
        ),
        WAIT,
        "has no metric yet: FailedGetExternalMetric",
    ),
    (
        obj(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            {"conditions": [cond("AbleToScale", "True"), cond("ScalingActive", "True")], "currentReplicas": 3},
        ),
        READY,
        "3 replicas",
    ),
]

OTHERS = [
    (obj("v1", "ConfigMap", None), READY, "there"),
    (obj("v1", "Pod", {"phase": "Succeeded"}), READY, "completed"),
    (obj("v1", "Pod", {"phase": "Failed", "reason": "Evicted"}), FAILED, "Evicted"),
    (obj("v1", "Pod", {"phase": "Running", "conditions": [cond("Ready", "False")]}), WAIT, "running"),
    (obj("v1", "Pod", {"phase": "Running", "conditions": [cond("Ready", "True")]}), READY, "ready"),
    (obj("batch/v1", "Job", {"conditions": [cond("Failed", "True", "BackoffLimitExceeded")]}), FAILED, "Backoff"),
    (obj("batch/v1", "Job", {"conditions": [cond("Complete", "True")]}), READY, "completed"),
    (obj("batch/v1", "Job", {"active": 1}), WAIT, "1 running"),
    (obj("v1", "PersistentVolumeClaim", {"phase": "Bound"}), READY, "bound"),
    (obj("v1", "PersistentVolumeClaim", {"phase": "Pending"}), WAIT, "pending"),
    (obj("v1", "PersistentVolumeClaim", {"phase": "Lost"}), FAILED, "lost"),
    (obj("apps/v1", "StatefulSet", {"observedGeneration": 2, "readyReplicas": 1}, replicas=2), WAIT, "1 of 2"),
    (
        obj("apps/v1", "StatefulSet", {"observedGeneration": 2, "readyReplicas": 2, "updatedReplicas": 2}, replicas=2),
        READY,
        "2 of 2",
    ),
    (obj("apps/v1", "DaemonSet", None), WAIT, "not yet seen"),
    (
        obj(
            "apps/v1",
            "DaemonSet",
            {"observedGeneration": 2, "desiredNumberScheduled": 2, "numberAvailable": 2, "updatedNumberScheduled": 1},
        ),
        WAIT,
        "1 of 2 nodes",
    ),
    (obj("x.dev/v1", "Any", {"observedGeneration": 1}), WAIT, "not yet seen"),
    (obj("x.dev/v1", "Any", {"conditions": [cond("Stalled", "True", "Broken")]}), FAILED, "Broken: m"),
    (obj("x.dev/v1", "Any", {"conditions": [cond("Reconciling", "True", "Busy")]}), WAIT, "Busy"),
    (obj("x.dev/v1", "Any", {"conditions": [cond("Ready", "False", "NotYet")]}), WAIT, "not Ready: NotYet"),
    (obj("x.dev/v1", "Any", {"conditions": [cond("Ready", "True")]}), READY, "there"),
    (None, WAIT, "not there yet"),
    (
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "deletionTimestamp": "now"}},
        WAIT,
        "being deleted",
    ),
]

ALL = [*DEPLOYMENTS, *GATEWAYS, *ROUTES, *LEADER_WORKER_SETS, *POOLS, *SCALED, *OTHERS]


def name_of(case: tuple[Any, Readiness, str]) -> str:
    return f"{case[0]['kind'] if case[0] else 'nothing'}-{case[1].value}-{case[2]}"


@pytest.mark.parametrize(("live", "readiness", "words"), ALL, ids=[name_of(case) for case in ALL])
def test_a_status_means(live: dict[str, Any] | None, readiness: Readiness, words: str):
    found = assess(live)
    assert found.readiness is readiness, found.reason
    assert words in found.reason


@pytest.mark.parametrize("status", [None, {}, {"conditions": None}, {"conditions": []}, {"parents": None}])
@pytest.mark.parametrize("live", [case[0] for case in ALL if case[0]], ids=lambda live: live["kind"])
def test_no_status_at_all_breaks_nothing_and_is_never_failed(live: dict[str, Any], status: dict[str, Any] | None):
    assert assess({**live, "status": status}).readiness is not FAILED
