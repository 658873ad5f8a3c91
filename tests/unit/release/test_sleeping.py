"""What sleeps, who wakes it, and what stands against that."""

from __future__ import annotations

from typing import Any

import pytest

from llmdctl.release.sleeping import hindrance, is_at_zero, may_sleep, waker


def workload(kind: str = "Deployment", name: str = "m", namespace: str = "n", **spec: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def scaled(target: dict[str, Any], *, namespace: str = "n", conditions: Any = None, **spec: Any) -> dict[str, Any]:
    rows = [{"type": kind, "status": status, "reason": "r"} for kind, status in (conditions or {}).items()]
    metadata = {"name": "s", "namespace": namespace}
    return {"metadata": metadata, "spec": {"scaleTargetRef": target, **spec}, "status": {"conditions": rows}}


WAKERS: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "to zero": (workload(), scaled({"name": "m"}, minReplicaCount=0), True),
    "to zero unless stated": (workload(), scaled({"name": "m"}), True),
    "not below one": (workload(), scaled({"name": "m"}, minReplicaCount=1), False),
    "another workload": (workload(), scaled({"name": "k"}), False),
    "another kind": (workload("LeaderWorkerSet"), scaled({"name": "m"}), False),
    "a group": (workload("LeaderWorkerSet"), scaled({"kind": "LeaderWorkerSet", "name": "m"}), True),
    "another namespace": (workload(), scaled({"name": "m"}, namespace="other"), False),
}


@pytest.mark.parametrize(("asleep", "item", "wakes"), WAKERS.values(), ids=list(WAKERS))
def test_who_wakes_it(asleep: dict[str, Any], item: dict[str, Any], wakes: bool) -> None:
    assert (waker(asleep, [item]) is not None) is wakes


def test_without_a_number_kubernetes_wants_one() -> None:
    assert is_at_zero(workload(replicas=0))
    assert not is_at_zero(workload())
    assert not is_at_zero(workload(replicas=1))
    assert may_sleep({})


HINDRANCES: dict[str, tuple[dict[str, str], str, str]] = {
    "nobody looks": ({}, "KEDA's operator does not run", "kubectl -n keda get pods"),
    "paused": ({"Ready": "True", "Paused": "True"}, "is paused", "annotate scaledobject s autoscaling.keda.sh/paused-"),
    "refused": ({"Ready": "False"}, "is not ready: r", "kubectl -n n describe scaledobject s"),
}


@pytest.mark.parametrize(("conditions", "words", "command"), HINDRANCES.values(), ids=list(HINDRANCES))
def test_what_stands_against_it(conditions: dict[str, str], words: str, command: str) -> None:
    found = hindrance(scaled({"name": "m"}, conditions=conditions))
    assert found is not None
    assert words in found[0]
    assert command in found[1]
    assert found[1].startswith("$ ")


@pytest.mark.parametrize("ready", ["True", "Unknown"])
def test_nothing_stands_against_one_that_is_well_or_being_looked_at(ready: str) -> None:
    assert hindrance(scaled({"name": "m"}, conditions={"Ready": ready, "Paused": "False"})) is None
