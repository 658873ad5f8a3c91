from __future__ import annotations

import pytest

from llmdctl.errors import UsageError
from llmdctl.sandbox.fault_stages import Fault, FaultKind, of_stage, reaches, stages, struck
from llmdctl.sandbox.faults import _check


@pytest.mark.parametrize(
    "fault",
    [
        Fault(name="a", kind=FaultKind.CRASH_LOOP, namespace="n", pod="p", container="c", log=("one", "two")),
        Fault(name="b", kind=FaultKind.IMAGE_PULL, labels={"app": "x"}),
        Fault(name="c", kind=FaultKind.NODE_NOT_READY, node="cpu-0"),
    ],
)
def test_a_stage_remembers_its_fault(fault):
    assert all(of_stage(stage) == fault for stage in stages(fault, "/tmp/log"))


def waiting(reason):
    return {"status": {"containerStatuses": [{"state": {"waiting": {"reason": reason}}}]}}


def ready(status):
    return {"status": {"conditions": [{"type": "Ready", "status": status}]}}


@pytest.mark.parametrize(
    ("kind", "item", "shows"),
    [
        (FaultKind.CRASH_LOOP, waiting("CrashLoopBackOff"), True),
        (FaultKind.CRASH_LOOP, waiting("ImagePullBackOff"), False),
        (FaultKind.CRASH_LOOP, {"status": {}}, False),
        (FaultKind.IMAGE_PULL, waiting("ImagePullBackOff"), True),
        (FaultKind.NODE_NOT_READY, ready("Unknown"), True),
        (FaultKind.NODE_NOT_READY, ready("True"), False),
    ],
)
def test_what_shows_a_fault(kind, item, shows):
    assert struck(Fault(name="f", kind=kind), item) is shows


@pytest.mark.parametrize(
    ("kind", "containers_ready", "does"),
    [
        (FaultKind.NODE_NOT_READY, [], True),
        (FaultKind.NODE_NOT_READY, [True, True], True),
        (FaultKind.NODE_NOT_READY, [True, False], False),  # it was unready before, and stays so
        (FaultKind.CRASH_LOOP, [False], True),
    ],
)
def test_which_pods_a_fault_reaches(kind, containers_ready, does):
    pod = {"status": {"containerStatuses": [{"ready": ready} for ready in containers_ready]}}
    assert reaches(Fault(name="f", kind=kind), pod) is does


@pytest.mark.parametrize(
    ("kind", "node", "words", "complaint"),
    [
        (FaultKind.NODE_NOT_READY, "", set(), "needs a node"),
        (FaultKind.NODE_NOT_READY, "cpu-0", {"pod"}, "nothing about pods"),
        (FaultKind.CRASH_LOOP, "cpu-0", {"namespace"}, "strikes pods, not a node"),
        (FaultKind.CRASH_LOOP, "", set(), "needs a namespace"),
        (FaultKind.IMAGE_PULL, "", {"container"}, "needs a namespace"),
    ],
)
def test_a_target_that_does_not_fit(kind, node, words, complaint):
    with pytest.raises(UsageError, match=complaint):
        _check(kind, node, words)
