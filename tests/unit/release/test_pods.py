"""What ails a pod, and when it is final."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from llmdctl.release.pods import Ailment, Patience, ailments, current_pods, state_of

NOW_S = 1_800_000_000.0
PATIENCE = Patience(restarts=3, image_pull_s=120, unschedulable_s=180, config_s=30)


def stamp(age_s: float) -> str:
    return datetime.fromtimestamp(NOW_S - age_s, UTC).isoformat().replace("+00:00", "Z")


def pod(*containers: dict[str, Any], age_s: float = 10, name: str = "p", **status: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "creationTimestamp": stamp(age_s), "labels": {"llm-d.ai/role": "decode"}},
        "spec": {"nodeName": "n1"},
        "status": {"phase": "Pending", "containerStatuses": list(containers), **status},
    }


def waiting(why: str, *, restarts: int = 0, ready: bool = False, **last: Any) -> dict[str, Any]:
    return {
        "name": "engine",
        "ready": ready,
        "restartCount": restarts,
        "state": {"waiting": {"reason": why, "message": "said"}},
        "lastState": {"terminated": last} if last else {},
    }


def unscheduled(age_s: float, reason: str = "Unschedulable") -> dict[str, Any]:
    return {
        "type": "PodScheduled",
        "status": "False",
        "reason": reason,
        "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
        "lastTransitionTime": stamp(age_s),
    }


CASES: list[tuple[str, dict[str, Any], list[tuple[str, bool]]]] = [
    ("starting", pod(waiting("ContainerCreating")), []),
    ("never pulled", pod(waiting("ErrImageNeverPull")), [("ErrImageNeverPull", True)]),
    ("bad name", pod(waiting("InvalidImageName")), [("InvalidImageName", True)]),
    ("secret missing, young", pod(waiting("CreateContainerConfigError")), [("CreateContainerConfigError", False)]),
    (
        "secret missing, old",
        pod(waiting("CreateContainerConfigError"), age_s=31),
        [("CreateContainerConfigError", True)],
    ),
    ("pull, young", pod(waiting("ImagePullBackOff"), age_s=60), [("ImagePullBackOff", False)]),
    ("pull, old", pod(waiting("ErrImagePull"), age_s=121), [("ErrImagePull", True)]),
    ("crash, once", pod(waiting("CrashLoopBackOff", restarts=1, exitCode=1)), [("CrashLoopBackOff", False)]),
    ("crash, thrice", pod(waiting("CrashLoopBackOff", restarts=3, exitCode=1)), [("CrashLoopBackOff", True)]),
    ("memory", pod(waiting("CrashLoopBackOff", restarts=3, exitCode=137, reason="OOMKilled")), [("OOMKilled", True)]),
    ("killed once, well again", pod(waiting("", restarts=1, ready=True, reason="OOMKilled")), []),
    ("unscheduled, young", pod(conditions=[unscheduled(10)]), [("FailedScheduling", False)]),
    ("unscheduled, old", pod(conditions=[unscheduled(181)]), [("FailedScheduling", True)]),
    ("gated on purpose", pod(conditions=[unscheduled(1000, "SchedulingGated")]), []),
    ("evicted", pod(phase="Failed", reason="Evicted", message="low on disk"), [("Evicted", True)]),
    (
        "init container",
        pod(initContainerStatuses=[waiting("CrashLoopBackOff", restarts=4)]),
        [("CrashLoopBackOff", True)],
    ),
]


@pytest.mark.parametrize(("live", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_pod_ails(live: dict[str, Any], expected: list[tuple[str, bool]]):
    found = list(ailments(live, now_s=NOW_S, patience=PATIENCE))
    assert [(ailment.reason, ailment.final) for ailment in found] == expected


def test_the_words_are_those_of_kubernetes():
    (crash,) = ailments(pod(waiting("CrashLoopBackOff", restarts=3, exitCode=2)), now_s=NOW_S, patience=PATIENCE)
    assert str(crash) == "pod p, container engine: CrashLoopBackOff: exit code 2, restarted 3 times"
    (place,) = ailments(pod(conditions=[unscheduled(1)]), now_s=NOW_S, patience=PATIENCE)
    assert "Insufficient nvidia.com/gpu" in str(place)


@pytest.mark.parametrize(("state", "previous"), [("waiting", True), ("terminated", False)])
def test_the_log_that_matters_is_that_of_the_run_that_ended(state: str, previous: bool):
    container = waiting("CrashLoopBackOff", restarts=1, exitCode=1)
    if state == "terminated":
        container["state"] = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    (found,) = ailments(pod(container), now_s=NOW_S, patience=PATIENCE)
    assert found.previous_log is previous


@pytest.mark.parametrize(
    ("live", "reason", "ready"),
    [
        (pod(waiting("ContainerCreating")), "ContainerCreating", False),
        (
            pod({"name": "engine", "ready": False, "state": {"running": {}}}, phase="Running"),
            "not ready: engine",
            False,
        ),
        (pod(phase="Running", conditions=[{"type": "Ready", "status": "True"}]), "", True),
        (pod(conditions=[unscheduled(5)]), "FailedScheduling: 0/3 nodes are available", False),
        (pod(), "", False),
    ],
)
def test_a_pod_is_shown(live: dict[str, Any], reason: str, ready: bool):
    shown = state_of(live, now_s=NOW_S)
    assert (shown.role, shown.node, shown.ready) == ("decode", "n1", ready)
    assert shown.reason.startswith(reason)


def test_a_replica_that_is_not_elected_is_told_from_a_container_that_does_not_come_up():
    live = pod(
        {"name": "epp", "ready": False, "state": {"running": {}}},
        {"name": "envoy", "ready": False, "state": {"running": {}}},
        phase="Running",
    )
    live["spec"]["containers"] = [{"name": "epp", "args": ["--ha-enable-leader-election"]}, {"name": "envoy"}]
    assert state_of(live, now_s=NOW_S).reason == "not ready: envoy; waits to be elected leader: epp"


def test_a_pod_that_goes_is_not_ready():
    live = pod(phase="Running", conditions=[{"type": "Ready", "status": "True"}])
    live["metadata"]["deletionTimestamp"] = stamp(1)
    shown = state_of(live, now_s=NOW_S)
    assert (shown.ready, shown.reason) == (False, "being deleted")


def replica_set(name: str, revision: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "ownerReferences": [{"kind": "Deployment", "name": "d", "controller": True}],
        },
    }


def of(owner: str, name: str) -> dict[str, Any]:
    found = pod(name=name)
    found["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": owner, "controller": True}]
    return found


def names(pods: tuple[Any, ...]) -> list[str]:
    return [entry["metadata"]["name"] for entry in pods]


def test_only_pods_of_the_newest_rollout_count():
    sets = [replica_set("d-9", "9"), replica_set("d-10", "10")]
    pods = [of("d-9", "old"), of("d-10", "new"), of("other", "alone"), pod(name="free")]
    assert names(current_pods(pods, sets)) == ["new", "alone", "free"]


def test_a_rollout_that_has_not_begun_has_no_pods():
    assert names(current_pods([of("d-1", "old"), pod(name="free")], [replica_set("d-1", "1")], unseen={"d"})) == [
        "free"
    ]


def in_group(name: str, revision: str) -> dict[str, Any]:
    found = pod(name=name)
    found["metadata"]["labels"] |= {
        "leaderworkerset.sigs.k8s.io/name": "pd-decode",
        "leaderworkerset.sigs.k8s.io/template-revision-hash": revision,
    }
    return found


def test_of_a_leader_worker_set_only_pods_of_its_newest_revision_count():
    pods = [in_group("old", "a"), in_group("new", "b"), pod(name="free")]
    assert names(current_pods(pods, [], groups={"pd-decode": "b"})) == ["new", "free"]
    assert names(current_pods(pods, [])) == ["old", "new", "free"]
    assert names(current_pods(pods, [], unseen={"pd-decode"})) == ["free"]


def test_an_ailment_without_message_ends_without_a_colon():
    ailment = Ailment(pod="p", container=None, reason="Evicted", message="", final=True, previous_log=False)
    assert str(ailment) == "pod p: Evicted"
