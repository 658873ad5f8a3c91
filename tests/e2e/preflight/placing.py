"""What placement predicts is what the real scheduler does: generated clusters, all of them at once.

Hundreds of nodes and pods come into a control plane for this and stay: one that ends soon, and that nobody else waits
for. It is that of the first guide, in `tests/e2e/guides/test_guides.py`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llmdctl.kube import capture, connect
from llmdctl.model.check import Placement
from llmdctl.model.inventory import Inventory
from llmdctl.preflight import Case
from llmdctl.sandbox.api import Api
from tests.e2e.preflight.clusters import Cluster, classes, generated
from tests.e2e.sandbox.objects import CLAIM_TEMPLATES, DEPLOYMENTS, DEVICE_CLASSES, LWS, NAMESPACES, NODES, PODS, SLICES

SEED = 20261122
SECTIONS = ("nodes", "pods", "namespaces", "resource-slices", "device-classes", "resource-claims")
ROLE = "app.kubernetes.io/component"
LIMIT_S = 180  # two cores may be shared with much else
Object = dict[str, Any]


def clusters(api: Api) -> list[Cluster]:
    """The cases, with their nodes, and in a namespace everything that is there before their workloads."""
    made, namespace = generated(SEED), "place"
    api.create(NAMESPACES.url(), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    for cluster in made:
        cluster.namespace = namespace
    api.create_all((DEVICE_CLASSES.url(), item) for item in classes())
    api.create_all((NODES.url(), item) for cluster in made for item in cluster.nodes)
    api.create_all((SLICES.url(), item) for cluster in made for item in cluster.slices)
    api.create_all((CLAIM_TEMPLATES.url(namespace=namespace), item) for cluster in made for item in cluster.templates)
    api.create_all((PODS.url(namespace=namespace), item) for cluster in made for item in cluster.fillers)
    return made


def is_settled(pod: Object) -> bool:
    """Whether the scheduler has found a place for a pod, or said that there is none."""
    refused = any(row.get("reason") == "Unschedulable" for row in pod["status"].get("conditions", []))
    return bool(pod["spec"].get("nodeName")) or refused


def settle(api: Api, namespace: str, number: int) -> list[Object]:
    """All pods, as soon as there are so many of them that have settled. Fails with those that do not."""
    deadline_s, url = time.monotonic() + LIMIT_S, PODS.url(namespace=namespace)
    while True:
        listed = api.get(url)
        pods = {item["metadata"]["name"]: item for item in listed["items"]}
        events = api.watch(url, listed["metadata"]["resourceVersion"], limit_s=LIMIT_S)
        while sum(map(is_settled, pods.values())) < number:
            event = next(events, None)
            if event is None or event["type"] == "ERROR":  # a server may end a watch that it cannot keep up with
                break
            item = event["object"]
            if event["type"] in ("ADDED", "MODIFIED"):
                pods[item["metadata"]["name"]] = item
            elif event["type"] == "DELETED":
                pods.pop(item["metadata"]["name"], None)
        else:
            return list(pods.values())
        waiting = sorted(name for name, pod in pods.items() if not is_settled(pod))
        assert time.monotonic() < deadline_s, f"{number} pods wanted, {len(pods)} there, not settled: {waiting}"


def check(api: Api, kubeconfig: Path) -> None:
    """Predict, then make the workloads, and compare."""
    cases = clusters(api)
    namespace = cases[0].namespace
    inventory = capture(connect(kubeconfig=kubeconfig), sections=SECTIONS, timeout_s=LIMIT_S)
    predicted = {cluster.name: place(cluster, inventory) for cluster in cases}
    assert len(predicted) >= 40
    # Something of everything: cases that fit, that do not, and that fit in part.
    ends = Counter(fits(placement) for placement in predicted.values())
    assert set(ends) == {"all", "some", "none"}, ends

    number, pods = sum(len(cluster.fillers) for cluster in cases), list[Object]()
    for turn in range(max(len(cluster.workloads) for cluster in cases)):
        turns = [cluster for cluster in cases if turn < len(cluster.workloads)]
        asked = [as_asked(cluster, cluster.workloads[turn], predicted[cluster.name]) for cluster in turns]
        api.create_all((url, item) for url, item, _ in asked)
        number += sum(more for _, _, more in asked)
        pods = settle(api, namespace, number)
    wrong = [said for cluster in cases for said in mismatches(own(pods, cluster), predicted[cluster.name])]
    print("\n".join(wrong))
    assert wrong == []

    # One replica more of a group than predicted finds no place: what was predicted is the most.
    larger = [(cluster, predicted[cluster.name].roles[0]) for cluster in cases if is_group(cluster.workloads[0])]
    larger = [(cluster, role) for cluster, role in larger if role.replicas_placeable < role.replicas_wanted]
    assert larger
    for _, role in larger:
        scale = LWS.url(role.role, namespace=namespace, subresource="scale")
        api.merge(scale, {"spec": {"replicas": role.replicas_placeable + 1}})
    pods = settle(api, namespace, number + len(larger))
    found = {cluster.name: whole_groups(own(pods, cluster), cluster) for cluster, _ in larger}
    assert found == {cluster.name: role.replicas_placeable for cluster, role in larger}


def place(cluster: Cluster, inventory: Inventory) -> Placement:
    """Of the whole cluster as it was captured; all nodes but those of the case refuse the pods by their label."""
    return Case(inventory=inventory, objects=cluster.objects, release="none", namespace=cluster.namespace).placement


def fits(placement: Placement) -> str:
    wanted = sum(role.replicas_wanted for role in placement.roles)
    found = sum(role.replicas_placeable for role in placement.roles)
    return "all" if found == wanted else "some" if found else "none"


def as_asked(cluster: Cluster, workload: Object, placement: Placement) -> tuple[str, Object, int]:
    """Where a workload is made, as what, and how many pods it will have.

    Of groups as many as are predicted: leaders come before workers, so more of them could block each other.
    """
    if not is_group(workload):
        return DEPLOYMENTS.url(namespace=cluster.namespace), workload, int(workload["spec"]["replicas"])
    number = placement.roles[0].replicas_placeable
    item = {**workload, "spec": {**workload["spec"], "replicas": number}}
    return LWS.url(namespace=cluster.namespace), item, number * int(workload["spec"]["leaderWorkerTemplate"]["size"])


def is_group(workload: Object) -> bool:
    return str(workload["kind"]) == "LeaderWorkerSet"


def own(pods: list[Object], cluster: Cluster) -> list[Object]:
    roles = {workload["metadata"]["name"] for workload in cluster.workloads}
    return [pod for pod in pods if pod["metadata"].get("labels", {}).get(ROLE) in roles]


def whole_groups(pods: list[Object], cluster: Cluster) -> int:
    size = cluster.workloads[0]["spec"]["leaderWorkerTemplate"]["size"]
    key = "leaderworkerset.sigs.k8s.io/group-index"
    groups = Counter(pod["metadata"]["labels"][key] for pod in pods if pod["spec"].get("nodeName"))
    return sum(number == size for number in groups.values())


def mismatches(pods: list[Object], placement: Placement) -> Iterator[str]:
    """A sentence for each role of which other pods were placed than predicted."""
    bound = Counter(pod["metadata"]["labels"][ROLE] for pod in pods if pod["spec"].get("nodeName"))
    predicted = Counter(pod.role for pod in placement.pods if pod.node)
    for role in placement.roles:
        if bound[role.role] != predicted[role.role]:
            reasons = {pod.reason for pod in placement.pods if pod.role == role.role and not pod.node}
            said = [row.get("message") for pod in pods for row in pod["status"].get("conditions", [])
                    if row["type"] == "PodScheduled" and row["status"] == "False"][:1]  # fmt: skip
            yield (
                f"{role.role}: predicted {predicted[role.role]}, placed {bound[role.role]} of"
                f" {role.replicas_wanted} replicas; we say {reasons or 'all fit'}, the scheduler {said}"
            )
    only = {pod.role: pod.node for pod in placement.pods if pod.node and pod.reason.startswith("the only node")}
    for pod in pods:
        role, node = pod["metadata"]["labels"][ROLE], pod["spec"].get("nodeName")
        if node and role in only and node != only[role]:
            yield f"{role}: on {node}, and only {only[role]} was to have room"
