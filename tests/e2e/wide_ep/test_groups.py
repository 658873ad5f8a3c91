"""Groups of nodes on the real control plane: the LWS controller makes their pods, the scheduler places them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.sandbox.objects import LWS, PODS, POOLS, condition, status, wait

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("whole_h200_nodes")]

INDEX = "leaderworkerset.sigs.k8s.io/worker-index"
GROUP = "leaderworkerset.sigs.k8s.io/group-index"


def engines(plane, namespace: str) -> dict[str, dict[str, Any]]:
    """The model server pods by name."""
    found = plane.api.items(PODS.url(namespace=namespace))
    return {pod["metadata"]["name"]: pod for pod in found if "llm-d.ai/role" in pod["metadata"]["labels"]}


def selected(plane, namespace: str, pool: str) -> set[str]:
    """The pods that an InferencePool routes to."""
    wanted = plane.api.get(POOLS.url(pool, namespace=namespace))["spec"]["selector"]["matchLabels"].items()
    return {name for name, pod in engines(plane, namespace).items() if wanted <= pod["metadata"]["labels"].items()}


def engine(pod: dict[str, Any]) -> dict[str, Any]:
    return next(container for container in pod["spec"]["containers"] if container["name"] == "engine")


def environment(pod: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in engine(pod)["env"]}


def available(plane, name: str, namespace: str) -> bool:
    return condition(status(plane.api, LWS, name, namespace), "Available").startswith("True")


def test_where_workers_serve_nothing_only_leaders_are_endpoints(plane, llmdctl) -> None:
    namespace = plane.namespace("wide")
    spread = ("--role", "decode.nodes=2", "--role", "decode.parallelism.tensor=16", "--role", "decode.replicas=1")
    group = ("--set", "global.llmd.roles.decode.workload=LeaderWorkerSet")
    llmdctl.run("install", "pd-disaggregation", "pd", "-n", namespace, "--role", "prefill.replicas=2", *spread, *group)

    decode = {name for name in engines(plane, namespace) if "decode" in name}
    assert decode == {"pd-decode-0", "pd-decode-0-1"}
    endpoints = selected(plane, namespace, "pd")
    assert endpoints & decode == {"pd-decode-0"}
    # Prefill servers are a Deployment: they carry the leaders' label, or the pool would lose them.
    assert len(endpoints - decode) == 2
    llmdctl.run("uninstall", "pd", "-n", namespace, "--yes")


def test_exclusive_placement_keeps_a_second_group_out(plane, llmdctl) -> None:
    """All H200 nodes of the sandbox stand in one zone, so one group fits into it and no second."""
    namespace = plane.namespace("wide")
    group = (
        "--role",
        "aggregate.nodes=2",
        "--role",
        "aggregate.parallelism.tensor=16",
        "--role",
        "aggregate.replicas=1",
    )
    roles = "modelserver.roles.aggregate.placement.exclusiveTopology=topology.kubernetes.io/zone"
    workload = "global.llmd.roles.aggregate.workload=LeaderWorkerSet"
    llmdctl.run("install", "optimized-baseline", "ob", "-n", namespace, *group, "--set", roles, "--set", workload)
    assert set(engines(plane, namespace)) == {"ob-aggregate-0", "ob-aggregate-0-1"}

    plane.api.merge(LWS.url("ob-aggregate", namespace=namespace, subresource="scale"), {"spec": {"replicas": 2}})
    wait("the second leader", lambda: "ob-aggregate-1" in engines(plane, namespace))

    def kept_out() -> bool:
        pod = engines(plane, namespace)["ob-aggregate-1"]
        return condition(pod["status"], "PodScheduled") == "False:Unschedulable"

    wait("its refusal", kept_out)
    llmdctl.run("uninstall", "ob", "-n", namespace, "--yes")


@pytest.fixture(scope="module")
def namespace(plane, llmdctl) -> Iterator[str]:
    """Where wide-ep is installed as r1, of which nothing is left in the end. It fills most of the nodes."""
    made = plane.namespace("wide")
    first = llmdctl.run("install", "wide-ep", "r1", "-n", made, "-o", "json").document()
    assert first["release"]["readiness"] == "ready"
    yield made
    llmdctl.run("uninstall", "r1", "-n", made, "--yes")
    assert engines(plane, made) == {}


def test_every_pod_of_every_group_runs_and_serves(plane, namespace: str) -> None:
    pods = engines(plane, namespace)
    assert set(pods) == {"r1-decode-0", "r1-decode-0-1", "r1-prefill-0", "r1-prefill-0-1"}
    # Eight GPUs each, so no two on one node.
    assert max(Counter(pod["spec"]["nodeName"] for pod in pods.values()).values()) == 1
    for name, pod in pods.items():
        assert pod["status"]["phase"] == "Running", name
        assert engine(pod)["resources"]["limits"]["nvidia.com/gpu"] == "8"
        # What the start rank and the meeting point are computed from.
        index = "1" if name.endswith("-0-1") else "0"
        assert pod["metadata"]["labels"][INDEX] == index
        values = environment(pod)
        assert values["LWS_WORKER_INDEX"] == index
        assert values["LWS_GROUP_SIZE"] == "2"
        leader = name.removesuffix("-1") if index == "1" else name
        assert values["LWS_LEADER_ADDRESS"].startswith(f"{leader}.")
        assert '--data-parallel-start-rank="$((LWS_WORKER_INDEX * 8))"' in engine(pod)["command"][2]

    # A server for every GPU: both pods of a group are endpoints, on eight ports.
    assert selected(plane, namespace, "r1") == set(pods)
    ports = plane.api.get(POOLS.url("r1", namespace=namespace))["spec"]["targetPorts"]
    assert [port["number"] for port in ports] == list(range(8000, 8008))


def test_a_replica_is_a_whole_group(plane, namespace: str) -> None:
    # As an autoscaler does it: by the subresource, without a word to Helm.
    scale = LWS.url("r1-decode", namespace=namespace, subresource="scale")
    plane.api.merge(scale, {"spec": {"replicas": 2}})
    wait("the second group", lambda: {"r1-decode-1", "r1-decode-1-1"} <= set(engines(plane, namespace)))
    wait("both groups", lambda: status(plane.api, LWS, "r1-decode", namespace).get("readyReplicas") == 2)
    groups = {pod["metadata"]["labels"][GROUP] for name, pod in engines(plane, namespace).items() if "decode" in name}
    assert groups == {"0", "1"}

    plane.api.merge(scale, {"spec": {"replicas": 1}})
    wait("its end", lambda: not {"r1-decode-1", "r1-decode-1-1"} & set(engines(plane, namespace)))
    wait("the first group", lambda: available(plane, "r1-decode", namespace))


def test_one_number_makes_the_group_wider(plane, llmdctl, namespace: str) -> None:
    """The last test of r1: it is changed."""
    llmdctl.run("install", "wide-ep", "r1", "-n", namespace, "--role", "decode.nodes=4")
    pods = {name: pod for name, pod in engines(plane, namespace).items() if "decode" in name}
    assert set(pods) == {"r1-decode-0", "r1-decode-0-1", "r1-decode-0-2", "r1-decode-0-3"}
    for pod in pods.values():
        assert "--data-parallel-size=32" in engine(pod)["args"]
        assert "--data-parallel-size-local=8" in engine(pod)["args"]
