"""What placement predicts is what the real scheduler does: generated clusters, all of them at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pytest

from llmdctl.kube import capture, connect
from llmdctl.model.check import Placement
from llmdctl.model.inventory import Inventory
from llmdctl.preflight import Case
from llmdctl.sandbox.api import Api
from tests.e2e.preflight.clusters import CASE, Cluster, classes, generated
from tests.e2e.sandbox.objects import CLAIM_TEMPLATES, DEPLOYMENTS, DEVICE_CLASSES, LWS, NODES, PODS, SLICES

pytestmark = pytest.mark.e2e

SEED = 20261122
SECTIONS = ("nodes", "pods", "namespaces", "resource-slices", "device-classes", "resource-claims")
ROLE = "app.kubernetes.io/component"
NEW = "node.kubernetes.io/not-ready"
LIMIT_S = 180  # two cores may be shared with much else
Object = dict[str, Any]


@pytest.fixture
def clusters(plane_apart) -> list[Cluster]:
    made = generated(SEED)
    api, namespace = plane_apart.api, plane_apart.namespace("place")
    for cluster in made:
        cluster.namespace = namespace
    api.create_all((DEVICE_CLASSES.url(), item) for item in classes())
    api.create_all((NODES.url(), item) for cluster in made for item in cluster.nodes)
    api.create_all((SLICES.url(), item) for cluster in made for item in cluster.slices)
    api.create_all((CLAIM_TEMPLATES.url(namespace=namespace), item) for cluster in made for item in cluster.templates)
    wanted = {item["metadata"]["name"] for cluster in made for item in cluster.nodes}
    follow(api, f"{NODES.url()}?labelSelector={CASE}", wanted, is_ready)
    api.create_all((PODS.url(namespace=namespace), item) for cluster in made for item in cluster.fillers)
    return made


def is_ready(node: Object) -> bool:
    """Whether the scheduler may put something on a new node: it is ready, and the taint of new nodes is gone."""
    ready = any(row["type"] == "Ready" and row["status"] == "True" for row in node["status"].get("conditions", []))
    return ready and not any(taint["key"] == NEW for taint in node["spec"].get("taints", []))


def is_settled(pod: Object) -> bool:
    """Whether the scheduler has found a place for a pod, or said that there is none."""
    refused = any(row.get("reason") == "Unschedulable" for row in pod["status"].get("conditions", []))
    return bool(pod["spec"].get("nodeName")) or refused


def follow(api: Api, url: str, wanted: Collection[str] | int, holds: Callable[[Object], bool]) -> None:
    """Until what is wanted of a collection (names, or how many) holds. Fails with what does not."""
    listed = api.get(url)
    good = {item["metadata"]["name"]: holds(item) for item in listed["items"]}

    def done() -> bool:
        true = {name for name, good_now in good.items() if good_now}
        return len(true) >= wanted if isinstance(wanted, int) else true >= set(wanted)

    path, _, query = url.partition("?")
    events = api.watch(path, listed["metadata"]["resourceVersion"] + (f"&{query}" if query else ""), limit_s=LIMIT_S)
    while not done():
        event = next(events, None)
        assert event is not None, f"{wanted if isinstance(wanted, int) else len(wanted)} wanted, not yet: " + str(
            sorted(name for name, good_now in good.items() if not good_now)
        )
        item = event["object"]
        if event["type"] in ("ADDED", "MODIFIED"):
            good[item["metadata"]["name"]] = holds(item)
        elif event["type"] == "DELETED":
            good.pop(item["metadata"]["name"], None)


def test_the_scheduler_places_what_was_predicted(plane_apart, clusters: list[Cluster]) -> None:
    api, namespace = plane_apart.api, clusters[0].namespace
    inventory = capture(connect(kubeconfig=plane_apart.kubeconfig), sections=SECTIONS, timeout_s=LIMIT_S)
    predicted = {cluster.name: place(cluster, inventory) for cluster in clusters}
    assert len(predicted) >= 40
    # Something of everything: cases that fit, that do not, and that fit in part.
    ends = Counter(fits(placement) for placement in predicted.values())
    assert set(ends) == {"all", "some", "none"}, ends

    pods = sum(len(cluster.fillers) for cluster in clusters)
    for turn in range(max(len(cluster.workloads) for cluster in clusters)):
        turns = [(cluster, cluster.workloads[turn]) for cluster in clusters if turn < len(cluster.workloads)]
        for cluster, workload in turns:
            pods += create(api, cluster, workload, predicted[cluster.name])
        follow(api, PODS.url(namespace=namespace), pods, is_settled)
    wrong = [said for cluster in clusters for said in mismatches(own(api, cluster), predicted[cluster.name])]
    print("\n".join(wrong))
    assert wrong == []

    # One replica more of a group than predicted finds no place: what was predicted is the most.
    larger = [(cluster, predicted[cluster.name].roles[0]) for cluster in clusters if is_group(cluster.workloads[0])]
    larger = [(cluster, role) for cluster, role in larger if role.replicas_placeable < role.replicas_wanted]
    assert larger
    for _, role in larger:
        scale = LWS.url(role.role, namespace=namespace, subresource="scale")
        api.merge(scale, {"spec": {"replicas": role.replicas_placeable + 1}})
    follow(api, PODS.url(namespace=namespace), pods + len(larger), is_settled)
    assert [cluster.name for cluster, role in larger if whole_groups(api, cluster) != role.replicas_placeable] == []


def place(cluster: Cluster, inventory: Inventory) -> Placement:
    """Of the whole cluster as it was captured; all nodes but those of the case refuse the pods by their label."""
    return Case(inventory=inventory, objects=cluster.objects, release="none", namespace=cluster.namespace).placement


def fits(placement: Placement) -> str:
    wanted = sum(role.replicas_wanted for role in placement.roles)
    found = sum(role.replicas_placeable for role in placement.roles)
    return "all" if found == wanted else "some" if found else "none"


def create(api: Api, cluster: Cluster, workload: Object, placement: Placement) -> int:
    """Make a workload; how many pods it will have.

    Of groups as many as are predicted: leaders come before workers, so more of them could block each other.
    """
    if not is_group(workload):
        api.create(DEPLOYMENTS.url(namespace=cluster.namespace), workload)
        return int(workload["spec"]["replicas"])
    number = placement.roles[0].replicas_placeable
    api.create(LWS.url(namespace=cluster.namespace), {**workload, "spec": {**workload["spec"], "replicas": number}})
    return number * int(workload["spec"]["leaderWorkerTemplate"]["size"])


def is_group(workload: Object) -> bool:
    return str(workload["kind"]) == "LeaderWorkerSet"


def own(api: Api, cluster: Cluster) -> list[Object]:
    roles = ",".join(workload["metadata"]["name"] for workload in cluster.workloads)
    return api.items(f"{PODS.url(namespace=cluster.namespace)}?labelSelector={ROLE}%20in%20({roles})")


def whole_groups(api: Api, cluster: Cluster) -> int:
    size = cluster.workloads[0]["spec"]["leaderWorkerTemplate"]["size"]
    key = "leaderworkerset.sigs.k8s.io/group-index"
    groups = Counter(pod["metadata"]["labels"][key] for pod in own(api, cluster) if pod["spec"].get("nodeName"))
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
