"""Free capacity and placement against counting and trying everything, on small clusters that chance makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmdctl.model.check import Outcome, Placement
from llmdctl.model.inventory import Inventory, Section, Seen
from llmdctl.preflight.case import Case
from tests.unit.preflight.cases import sections

GPU = "nvidia.com/gpu"
ZONE = "topology.kubernetes.io/zone"
TAINT = {"key": "pool", "value": "a", "effect": "NoSchedule"}
Item = dict[str, Any]


def node(name: str, gpus: int, *, cpu: int = 32, zone: str = "z", taints: tuple[Item, ...] = (), **spec: Any) -> Item:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, ZONE: zone}},
        "spec": {"taints": list(taints), **spec},
        "status": {
            "allocatable": {GPU: str(gpus), "cpu": str(cpu), "memory": "64Gi", "pods": "10"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def pod_spec(gpus: int, cpu: str = "1", **spec: Any) -> Item:
    stated = {GPU: str(gpus), "cpu": cpu} if gpus else {"cpu": cpu}
    return {"containers": [{"name": "main", "resources": {"requests": stated, "limits": stated}}], **spec}


def running(name: str, where: str, gpus: int, **status: Any) -> Item:
    return {
        "metadata": {"name": name, "namespace": "other", "labels": {"app": name}},
        "spec": {"nodeName": where, **pod_spec(gpus)},
        "status": {"phase": "Running", **status},
    }


def deployment(name: str, replicas: int, spec: Item) -> Item:
    labels = {"app.kubernetes.io/component": name}
    return {
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "template": {"metadata": {"labels": labels}, "spec": spec}},
    }


def group(name: str, replicas: int, size: int, spec: Item, *, exclusive: str = "") -> Item:
    labels = {"app.kubernetes.io/component": name}
    annotations = {"leaderworkerset.sigs.k8s.io/exclusive-topology": exclusive} if exclusive else {}
    return {
        "kind": "LeaderWorkerSet",
        "metadata": {"name": name, "namespace": "default", "annotations": annotations},
        "spec": {
            "replicas": replicas,
            "leaderWorkerTemplate": {"size": size, "workerTemplate": {"metadata": {"labels": labels}, "spec": spec}},
        },
    }


def case(nodes: list[Item], pods: list[Item], *objects: Item, **more: Any) -> Case:
    written = {"sections": {"nodes": nodes, "pods": pods, **more}}
    inventory = Inventory(captured_at="2026-11-22T00:00:00Z", llmdctl="0", sections=sections(written))
    return Case(inventory=inventory, objects=objects, release="demo", namespace="default")


def placeable(placement: Placement) -> dict[str, int]:
    return {role.role: role.replicas_placeable for role in placement.roles}


@st.composite
def clusters(draw: st.DrawFn) -> tuple[list[Item], list[Item]]:
    nodes = [
        node(
            f"n{i}",
            draw(st.sampled_from([0, 2, 4, 8])),
            zone=draw(st.sampled_from("ab")),
            taints=draw(st.sampled_from([(), (), (TAINT,)])),
            unschedulable=draw(st.sampled_from([False, False, False, True])),
        )
        for i in range(draw(st.integers(1, 4)))
    ]
    pods = [
        running(f"p{i}", f"n{draw(st.integers(0, len(nodes) - 1))}", draw(st.integers(0, 3)))
        for i in range(draw(st.integers(0, 3)))
    ]
    return nodes, pods


@settings(max_examples=150, deadline=None)
@given(clusters(), st.lists(st.tuples(st.sampled_from([1, 2, 3, 4, 8]), st.integers(1, 3)), min_size=1, max_size=2),
       st.booleans())  # fmt: skip
def test_as_many_replicas_are_placed_as_trying_everything_finds(
    cluster: tuple[list[Item], list[Item]], wanted: list[tuple[int, int]], tolerant: bool
) -> None:
    nodes, pods = cluster
    wanted = sorted(dict(wanted).items(), reverse=True)
    spec = {"tolerations": [{"key": "pool", "operator": "Exists"}]} if tolerant else {}
    found = case(nodes, pods, *(deployment(f"r{g}", n, pod_spec(g, **spec)) for g, n in wanted)).placement
    assert found.outcome in (Outcome.PASS, Outcome.FAIL)
    assert tuple(placeable(found)[f"r{gpus}"] for gpus, _ in wanted) == best(nodes, pods, wanted, tolerant=tolerant)
    assert holds(nodes, pods, found, {f"r{gpus}": gpus for gpus, _ in wanted})


def best(nodes: list[Item], pods: list[Item], wanted: list[tuple[int, int]], *, tolerant: bool) -> tuple[int, ...]:
    """The most of the first size, then of the second: every assignment is tried."""
    left = [
        -1 if each["spec"]["unschedulable"] or (each["spec"]["taints"] and not tolerant) else room
        for each, room in zip(nodes, gpus_left(nodes, pods), strict=True)
    ]
    sizes = [gpus for gpus, number in wanted for _ in range(number)]
    most = (0,) * len(wanted)
    for choice in product(range(-1, len(nodes)), repeat=len(sizes)):
        used = [sum(size for size, at in zip(sizes, choice, strict=True) if at == i) for i in range(len(nodes))]
        if all(number <= room for number, room in zip(used, left, strict=True) if number):
            placed = [size for size, at in zip(sizes, choice, strict=True) if at >= 0]
            most = max(most, tuple(placed.count(gpus) for gpus, _ in wanted))
    return most


def gpus_left(nodes: list[Item], pods: list[Item]) -> list[int]:
    def used(name: str) -> int:
        held = (pod["spec"] for pod in pods if pod["spec"]["nodeName"] == name)
        return sum(int(spec["containers"][0]["resources"]["requests"].get(GPU, 0)) for spec in held)

    return [int(each["status"]["allocatable"][GPU]) - used(each["metadata"]["name"]) for each in nodes]


def holds(nodes: list[Item], pods: list[Item], placement: Placement, sizes: Mapping[str, int]) -> bool:
    names = [each["metadata"]["name"] for each in nodes]
    for name, room in zip(names, gpus_left(nodes, pods), strict=True):
        put = sum(sizes[pod.role] for pod in placement.pods if pod.node == name)
        if put > max(room, 0):
            return False
    return True


@settings(max_examples=100, deadline=None)
@given(clusters(), st.integers(1, 3), st.integers(1, 3), st.sampled_from([2, 4]), st.booleans())
def test_a_group_is_placed_whole_or_not_at_all(
    cluster: tuple[list[Item], list[Item]], replicas: int, size: int, gpus: int, exclusive: bool
) -> None:
    nodes, pods = cluster
    asked = group("decode", replicas, size, pod_spec(gpus), exclusive=ZONE if exclusive else "")
    found = case(nodes, pods, asked).placement
    room: dict[str, int] = {}
    for each, left in zip(nodes, gpus_left(nodes, pods), strict=True):
        if not each["spec"]["unschedulable"] and not each["spec"]["taints"]:
            zone = each["metadata"]["labels"][ZONE]
            room[zone] = room.get(zone, 0) + max(0, left) // gpus
    fit = sum(number >= size for number in room.values()) if exclusive else sum(room.values()) // size
    assert placeable(found)["decode"] == min(replicas, fit)
    for replica in range(replicas):
        places = [pod.node for pod in found.pods if pod.replica == replica]
        assert all(places) or not any(places)


@st.composite
def requests(draw: st.DrawFn) -> Item:
    def some() -> Item:
        stated = {"cpu": f"{draw(st.integers(0, 4000))}m", GPU: str(draw(st.integers(0, 2)))}
        return {"resources": {draw(st.sampled_from(["requests", "limits"])): stated}}

    starting = [
        some() | draw(st.sampled_from([{}, {"restartPolicy": "Always"}])) for _ in range(draw(st.integers(0, 3)))
    ]
    spec: Item = {"initContainers": starting, "containers": [some() for _ in range(draw(st.integers(1, 3)))]}
    return spec | draw(st.sampled_from([{}, {"overhead": {"cpu": "250m"}}, {"resources": {"requests": {"cpu": "7"}}}]))


PODS = st.tuples(
    requests(),
    st.sampled_from(["n0", "n1", ""]),
    st.sampled_from(["Running", "Pending", "Failed"]),
    st.sampled_from(["demo", "other"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PODS, max_size=6))
def test_free_capacity_is_what_counting_moment_by_moment_leaves(rows: list[tuple[Item, str, str, str]]) -> None:
    nodes = [node("n0", 8), node("n1", 4)]
    pods = [
        {
            "metadata": {"name": f"p{i}", "namespace": "default", "labels": {"app.kubernetes.io/instance": instance}},
            "spec": {**spec, **({"nodeName": where} if where else {})},
            "status": {"phase": phase},
        }
        for i, (spec, where, phase, instance) in enumerate(rows)
    ]
    free = case(nodes, pods).free
    for name, gpus in (("n0", 8), ("n1", 4)):
        counted = [
            s for s, where, phase, instance in rows if where == name and phase != "Failed" and instance != "demo"
        ]
        assert free[name]["cpu"] == 32 - sum(peak(spec, "cpu") for spec in counted)
        assert free[name][GPU] == gpus - sum(peak(spec, GPU) for spec in counted)
        assert free[name]["pods"] == 10 - len(counted)


def peak(spec: Item, resource: str) -> Fraction:
    """The most that runs at one moment: the pod's life, step by step."""

    def of(container: Item) -> Fraction:
        stated = next(iter(container["resources"].values()))[resource]
        return Fraction(stated.removesuffix("m")) / (1000 if stated.endswith("m") else 1)

    def moments() -> Iterator[Fraction]:
        beside = Fraction(0)
        for container in spec["initContainers"]:
            yield beside + of(container)
            if container.get("restartPolicy") == "Always":
                beside += of(container)
        yield beside + sum(of(container) for container in spec["containers"])

    whole = spec.get("resources", {}).get("requests", {}).get(resource)
    most = Fraction(whole) if whole is not None else max(moments())
    return most + (Fraction("0.25") if "overhead" in spec and resource == "cpu" else 0)


def test_a_nominated_pod_holds_its_place() -> None:
    waiting = {
        "metadata": {"name": "w", "namespace": "x"},
        "spec": pod_spec(4),
        "status": {"phase": "Pending", "nominatedNodeName": "n0"},
    }
    assert case([node("n0", 8)], [waiting]).free["n0"][GPU] == 4


def test_a_node_that_is_full_on_one_way_is_looked_at_again_on_another() -> None:
    """Best fit puts the first four beside the two that run; only both on the other node leave room for all."""
    nodes, pods = [node("tight", 8), node("free", 8)], [running("p", "tight", 2)]
    found = case(nodes, pods, deployment("r4", 2, pod_spec(4)), deployment("r3", 2, pod_spec(3))).placement
    assert placeable(found) == {"r4": 2, "r3": 2}


def test_enough_in_all_and_too_little_on_each_is_called_by_its_name() -> None:
    nodes = [node(f"n{i}", 8) for i in range(3)]
    found = case(
        nodes, [running(f"p{i}", f"n{i}", 4) for i in range(3)], deployment("decode", 1, pod_spec(8))
    ).placement
    assert found.fragmentation == "12 nvidia.com/gpu are free, no node has 8 (most: 4)"
    assert found.pods[0].reason == "3 nodes: 3 in use"
    assert found.changes == ("Add 1 node like n0.",)


@pytest.mark.parametrize(
    ("nodes", "spec", "change"),
    [
        (
            [node("n0", 8, taints=({"key": "nvidia.com/gpu", "value": "L40S", "effect": "NoSchedule"},))],
            {},
            "Let decode tolerate nvidia.com/gpu=L40S:NoSchedule: 1 node with room have it",
        ),
        ([node("n0", 8, unschedulable=True)], {}, "Uncordon nodes: 1 node with room for decode are cordoned."),
        ([node("n0", 8)], {"nodeSelector": {ZONE: "b"}}, "Let decode go to other nodes: 1 node"),
        ([node("n0", 4)], {}, "Run decode with 1 replica instead of 2."),
        ([node("n0", 4)], {}, "Add 1 node like n0."),
    ],
)
def test_each_change_is_one_that_helps(nodes: list[Item], spec: Item, change: str) -> None:
    placement = case(nodes, [], deployment("decode", 2, pod_spec(4, **spec))).placement
    assert any(change in said for said in placement.changes), placement.changes


@pytest.mark.parametrize("hidden", ["nodes", "pods"])
def test_without_nodes_or_pods_nobody_can_tell(hidden: str) -> None:
    known = case([node("n0", 8)], [], deployment("decode", 1, pod_spec(1)))
    secret = Section(seen=Seen.FORBIDDEN, reason="may not list")
    sections_left = {**known.inventory.sections, hidden: secret}
    blind = Inventory(captured_at="", llmdctl="0", sections=sections_left)
    found = Case(inventory=blind, objects=known.objects, namespace="default").placement
    assert (found.outcome, found.pods) == (Outcome.UNKNOWN, ())
    assert "may not list" in found.reason


def test_replicas_that_are_all_the_same_are_not_tried_in_every_order() -> None:
    nodes = [node(f"n{i}", 7, cpu=32 + i) for i in range(6)]  # no two alike: 6! orders of the four-device pods
    wanted = (deployment("large", 6, pod_spec(4)), deployment("small", 7, pod_spec(3)))
    found = case(nodes, [], *wanted).placement
    assert placeable(found) == {"large": 6, "small": 6}
    assert "ended early" not in found.reason
