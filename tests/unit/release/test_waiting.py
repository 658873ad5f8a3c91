"""Waiting: until ready, not longer than needed, and not at all for what cannot become ready."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from llmdctl.errors import UnauthenticatedError, UnreachableError, WaitError
from llmdctl.kube import key_of
from llmdctl.model.release import ObjectKey, Readiness
from llmdctl.release import Patience, wait
from llmdctl.release.events import Noticed, WaitTick
from llmdctl.release.readiness import assess
from llmdctl.release.snapshot import Snapshot
from llmdctl.release.waiting import there
from tests.fakes.clock import START_S, FakeClock
from tests.fakes.cluster import FakeCluster, resource

LABELS = {"app.kubernetes.io/instance": "pd"}
KEY = ObjectKey(api_version="apps/v1", kind="Deployment", namespace="llm", name="pd-decode")
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "pd-decode", "namespace": "llm", "labels": LABELS, "generation": 1},
    "spec": {"replicas": 1},
}
READY = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}


class Waited:
    def __init__(self, *objects: dict[str, Any]) -> None:
        self.cluster, self.time, self.events = FakeCluster(*objects), FakeClock(), []
        self.objects: list[dict[str, Any]] = [DEPLOYMENT]

    def wait(self, timeout_s: float = 100.0, **patience: Any) -> Snapshot:
        return wait(
            self.cluster,
            self.objects,
            name="pd",
            namespace="llm",
            timeout_s=timeout_s,
            patience=Patience(**patience),
            clock=self.time.clock,
            report=self.events.append,
        )

    def becomes(self, **status: Any) -> None:
        self.cluster.objects[KEY]["status"] = status

    @property
    def ticks(self) -> list[WaitTick]:
        return [event for event in self.events if isinstance(event, WaitTick)]


def crashing(name: str = "pd-decode-1", restarts: int = 3) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "llm", "labels": LABELS},
        "status": {
            "phase": "Running",
            "containerStatuses": [
                {
                    "name": "engine",
                    "ready": False,
                    "restartCount": restarts,
                    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                    "lastState": {"terminated": {"exitCode": 1}},
                }
            ],
        },
    }


def test_it_ends_when_everything_is_ready():
    waited = Waited(DEPLOYMENT)
    waited.time.at(5.0, lambda: waited.becomes(**READY))
    assert waited.wait().readiness is Readiness.READY
    assert 5.0 <= waited.time.elapsed_s < 7.5
    assert waited.ticks[0].objects[0].readiness is Readiness.PROGRESSING
    assert waited.ticks[-1].objects[0].readiness is Readiness.READY


def test_what_is_ready_already_is_not_waited_for():
    waited = Waited(DEPLOYMENT | {"status": READY})
    waited.wait()
    assert waited.time.elapsed_s == 0


def test_once_all_pods_are_ready_it_looks_more_often():
    pod: dict[str, Any] = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pd-decode-1", "namespace": "llm", "labels": LABELS},
        "status": {"phase": "Running"},
    }  # fmt: skip
    waited = Waited(DEPLOYMENT, pod)
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    waited.time.at(100.0, lambda: waited.cluster.objects[key_of(pod)].update(status=ready))
    waited.time.at(102.5, lambda: waited.becomes(**READY))
    waited.wait(timeout_s=1000)
    assert 102.5 <= waited.time.elapsed_s < 102.9, "a tenth of the seconds since, not of all"


def in_group(name: str, **metadata: Any) -> dict[str, Any]:
    labels = LABELS | {"leaderworkerset.sigs.k8s.io/name": "pd-decode"}
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "llm", "labels": labels} | metadata, "status": {"phase": "Running"},
    }  # fmt: skip


def test_a_group_that_its_controller_calls_available_is_waited_for_while_its_leader_is_deleted():
    group = {
        "apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet",
        "metadata": {"name": "pd-decode", "namespace": "llm", "labels": LABELS, "generation": 8},
        "spec": {"replicas": 1, "leaderWorkerTemplate": {"size": 2}},
        "status": {
            "conditions": [{"type": "Available", "status": "True", "observedGeneration": 8}], "readyReplicas": 1,
        },
    }  # fmt: skip
    going = in_group("pd-decode-0", deletionTimestamp="2026-01-01T00:00:00Z")
    waited = Waited(group, going, in_group("pd-decode-0-1"))
    waited.cluster.kinds.append(resource("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "leaderworkersets"))
    waited.cluster.kinds.append(resource("apps/v1", "StatefulSet", "statefulsets"))
    waited.objects = [group]
    back = ObjectKey(api_version="v1", kind="Pod", namespace="llm", name="pd-decode-0")
    waited.time.at(5.0, lambda: waited.cluster.objects.update({back: in_group("pd-decode-0")}))
    assert waited.wait().readiness is Readiness.READY
    assert waited.time.elapsed_s >= 5.0
    (state,) = waited.ticks[0].objects
    assert state.readiness is Readiness.PROGRESSING
    assert state.reason == "1 of 2 pods there; a group is made anew"


def test_when_the_time_is_over_it_says_what_is_missing():
    waited = Waited(DEPLOYMENT, crashing(restarts=1))
    waited.cluster.pod_logs["pd-decode-1", "engine", True] = ("started", "Bearer abcdefghijklmnop is wrong")
    with pytest.raises(WaitError, match="not ready after 30 s") as caught:
        waited.wait(timeout_s=30)
    assert waited.time.elapsed_s == pytest.approx(30)
    said = "\n".join(problem.message for problem in caught.value.problems)
    assert "Deployment/pd-decode: not yet seen by its controller" in said
    assert "CrashLoopBackOff: exit code 1, restarted 1 times\n    started\n    Bearer *** is wrong" in said
    assert "--timeout" in (caught.value.remedy or "")


def test_a_crash_loop_ends_the_wait_at_once_with_the_last_words():
    waited = Waited(DEPLOYMENT | {"status": {"observedGeneration": 1}}, crashing(), crashing("pd-decode-2"))
    waited.cluster.pod_logs["pd-decode-1", "engine", True] = ("CUDA out of memory",)
    with pytest.raises(WaitError, match="2 pods cannot become ready") as caught:
        waited.wait()
    assert waited.time.elapsed_s == 0
    (problem,) = caught.value.problems
    assert problem.message.endswith("(and 1 pod more)\n    CUDA out of memory")


def test_without_a_previous_log_the_present_one_is_shown():
    waited = Waited(DEPLOYMENT | {"status": {"observedGeneration": 1}}, crashing())
    waited.cluster.pod_logs["pd-decode-1", "engine", False] = ("now",)
    with pytest.raises(WaitError) as caught:
        waited.wait()
    assert "    now" in caught.value.problems[0].message


def test_why_there_is_no_log_is_said():
    waited = Waited(DEPLOYMENT | {"status": {"observedGeneration": 1}}, crashing())
    with pytest.raises(WaitError) as caught:
        waited.wait()
    assert "(its log cannot be read: " in caught.value.problems[0].message


def test_pods_of_the_rollout_before_do_not_fail_the_new_one():
    waited = Waited(DEPLOYMENT, crashing())
    old = waited.cluster.find("Pod", "pd-decode-1")
    old["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "pd-decode-x", "controller": True}]
    waited.cluster.put(
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": "pd-decode-x",
                "namespace": "llm",
                "labels": LABELS,
                "ownerReferences": [{"kind": "Deployment", "name": "pd-decode", "controller": True}],
            },
        }
    )
    waited.time.at(3.0, lambda: waited.becomes(**READY) or waited.cluster.remove(KEY_OF_OLD))
    waited.wait()
    assert waited.time.elapsed_s >= 3.0


KEY_OF_OLD = ObjectKey(api_version="v1", kind="Pod", namespace="llm", name="pd-decode-1")


def test_a_failed_status_must_last():
    exceeded = {"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}
    waited = Waited(DEPLOYMENT)
    waited.becomes(observedGeneration=1, **exceeded)
    waited.time.at(1.0, lambda: waited.becomes(**READY))
    waited.wait()

    waited = Waited(DEPLOYMENT)
    waited.becomes(observedGeneration=1, **exceeded)
    with pytest.raises(WaitError, match="1 object failed") as caught:
        waited.wait()
    assert 3.0 <= waited.time.elapsed_s < 6.0
    assert caught.value.problems[0].message == "Deployment/pd-decode: ProgressDeadlineExceeded"


def test_an_api_server_that_restarts_is_waited_for():
    waited = Waited(DEPLOYMENT | {"status": READY})
    waited.cluster.fail("get", UnreachableError("gone"), UnreachableError("gone"))
    waited.wait()
    assert [event.message for event in waited.events if isinstance(event, Noticed)] == ["gone; trying again for 60 s"]


def test_but_not_for_ever():
    waited = Waited(DEPLOYMENT)
    waited.cluster.fail("get", *[UnreachableError("gone")] * 200)
    with pytest.raises(UnreachableError):
        waited.wait(timeout_s=600)
    assert 60 <= waited.time.elapsed_s < 65


def test_expired_credentials_end_it():
    waited = Waited(DEPLOYMENT)
    waited.cluster.fail("get", UnauthenticatedError("expired"))
    with pytest.raises(UnauthenticatedError):
        waited.wait()


def test_what_only_has_to_be_there_is_asked_for_once():
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "llm"}}
    waited = Waited(DEPLOYMENT, config)
    waited.objects = [config, DEPLOYMENT]
    waited.time.at(10.0, lambda: waited.becomes(**READY))
    waited.wait()
    assert waited.cluster.calls.count(("get", "ConfigMap/c")) == 1
    assert len(waited.ticks[-1].objects) == 2


def test_a_quiet_pod_is_explained_by_its_last_warning():
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "quiet", "namespace": "llm", "labels": LABELS},
        "status": {"phase": "Pending"},
    }
    stamps = [datetime.fromtimestamp(START_S + moment, UTC).isoformat() for moment in (0, 5)]
    events = [
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"e{number}", "namespace": "llm"},
            "reason": "FailedMount",
            "message": message,
            "lastTimestamp": stamp,
        }
        for number, (message, stamp) in enumerate(zip(["older", 'secret "hf" not found'], stamps, strict=True))
    ]
    waited = Waited(DEPLOYMENT, pod, *events)
    with pytest.raises(WaitError) as caught:
        waited.wait(timeout_s=1)
    assert caught.value.problems[-1].message == 'pod quiet: FailedMount: secret "hf" not found'


POOL = {
    "apiVersion": "inference.networking.k8s.io/v1",
    "kind": "InferencePool",
    "metadata": {"name": "pd", "namespace": "llm"},
    "spec": {"endpointPickerRef": {"name": "pd-decode"}},
}
ROUTE = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "HTTPRoute",
    "metadata": {"name": "pd", "namespace": "llm"},
    "spec": {"parentRefs": [], "rules": [{"backendRefs": [{"kind": "InferencePool", "name": "pd"}]}]},
}


def pooled(*objects: dict[str, Any]) -> Waited:
    waited = Waited()
    waited.cluster.kinds.append(resource("inference.networking.k8s.io/v1", "InferencePool", "inferencepools"))
    waited.cluster.kinds.append(resource("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes"))
    for obj in objects:
        waited.cluster.put(obj)
    waited.objects = list(objects)
    return waited


def test_in_standalone_a_pool_is_as_far_as_its_endpoint_picker():
    waited = pooled(POOL, DEPLOYMENT)
    waited.time.at(2.0, lambda: waited.becomes(**READY))
    seen = waited.wait()
    reasons = {tick.objects[0].reason for tick in waited.ticks}
    assert reasons == {"waits for its endpoint picker pd-decode", "its endpoint picker pd-decode is ready"}
    assert seen.readiness is Readiness.READY


def test_a_pool_that_a_route_refers_to_waits_for_its_gateway():
    waited = pooled(POOL, ROUTE, DEPLOYMENT | {"status": READY})
    with pytest.raises(WaitError) as caught:
        waited.wait(timeout_s=5)
    assert [problem.message for problem in caught.value.problems] == [
        "InferencePool/pd: no gateway has taken it up yet"
    ]


def test_what_was_applied_a_moment_ago_is_known_where_its_being_there_is_all():
    def named(kind: str, api_version: str = "v1") -> dict[str, Any]:
        return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "pd", "namespace": "llm"}}

    seen_by_a_controller = named("PodDisruptionBudget", "policy/v1"), DEPLOYMENT
    known = there([named("ConfigMap"), named("Service"), *seen_by_a_controller])
    assert [key.kind for key in known] == ["ConfigMap", "Service"]
    for key, state in known.items():
        live = assess(named(key.kind))
        assert (state.key, state.readiness, state.reason) == (key, live.readiness, live.reason)


def test_what_is_known_is_not_asked_for_and_told_all_the_same():
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "pd", "namespace": "llm"}}
    waited = Waited({**DEPLOYMENT, "status": READY})
    waited.objects = [config, DEPLOYMENT]
    seen = wait(
        waited.cluster, waited.objects, name="pd", namespace="llm", timeout_s=1.0, known=there([config]),
        clock=waited.time.clock,
    )  # fmt: skip
    assert {state.key.kind: state.readiness for state in seen.objects} == {
        "ConfigMap": Readiness.READY, "Deployment": Readiness.READY,
    }  # fmt: skip
    assert ("get", "ConfigMap/pd") not in waited.cluster.calls
