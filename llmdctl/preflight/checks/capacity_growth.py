"""What becomes of capacity later: rollouts, scaling, nodes that go away, others who wait for the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import ceil
from typing import Any, Final

from llmdctl.model.check import Evidence, Outcome
from llmdctl.model.finding import Severity
from llmdctl.model.quantity import ACCELERATORS
from llmdctl.preflight.capacity import eligible, of_release
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.capacity import NO_RECIPE, offers
from llmdctl.preflight.growing import growth
from llmdctl.preflight.node import Node
from llmdctl.preflight.phrases import counted, listed
from llmdctl.preflight.placement import place
from llmdctl.preflight.replicas import role_name
from llmdctl.preflight.requests import pod_requests
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, unknown, warned
from llmdctl.preflight.workload import PodTemplate

Item = Mapping[str, Any]
_ZONE: Final = "topology.kubernetes.io/zone"
_QUEUE: Final = "kueue.x-k8s.io/queue-name"
_SPOT: Final = {
    "cloud.google.com/gke-spot": "true",
    "cloud.google.com/gke-preemptible": "true",
    "karpenter.sh/capacity-type": "spot",
    "eks.amazonaws.com/capacityType": "SPOT",
    "kubernetes.azure.com/scalesetpriority": "spot",
}
"""https://cloud.google.com/kubernetes-engine/docs/concepts/spot-vms https://karpenter.sh/docs/concepts/nodepools/
https://docs.aws.amazon.com/eks/latest/userguide/managed-node-groups.html
https://learn.microsoft.com/azure/aks/spot-node-pool"""


def _scalable(case: Case) -> Verdict:
    if not case.workloads:
        return skipped(NO_RECIPE)
    if case.placement.outcome is Outcome.UNKNOWN:
        return unknown(case.placement.reason)
    if case.placement.outcome is Outcome.PASS:
        return passed("Everything fits without new nodes.")
    case.section("node-pools")
    more = growth(case)
    if more:
        return warned(f"{case.placement.reason} now. {more}", (), "Expect to wait for the new nodes.")
    return skipped("no node pool that could be read would add what is missing")


def _surge(case: Case) -> Verdict:
    surging = {t.identity: (t, extra) for t in case.workloads if (extra := _extra(t)) and accelerators(t)}
    if not surging:
        return (
            passed("No rollout starts more pods with accelerators than run.") if case.workloads else skipped(NO_RECIPE)
        )
    objects = tuple(_more(obj, *surging[key]) if (key := _identity(obj)) in surging else obj for obj in case.objects)
    found = place(case.having(objects))
    if found.outcome is Outcome.UNKNOWN:
        return unknown(found.reason)
    said = listed(f"{key} starts {counted(extra, 'pod')} more" for key, (_, extra) in surging.items())
    if found.outcome is Outcome.PASS:
        return passed(f"A rollout has room: {said}.")
    return failed(
        f"A rollout would stop: {said}, and they do not all fit ({found.reason}).",
        [Evidence(object=key, observed=f"{extra} x {accelerators(t)} accelerators more while it rolls out")
         for key, (t, extra) in surging.items()],
        "Set maxSurge: 0 and maxUnavailable: 1, or strategy Recreate, for pods with accelerators.",
    )  # fmt: skip


def _extra(template: PodTemplate) -> int:
    """Pods beyond its replicas that a rollout of a Deployment starts: 25 % rounded up, unless it says otherwise."""
    if template.workload.get("kind") != "Deployment" or not template.replicas:
        return 0
    strategy = (template.workload.get("spec") or {}).get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return 0
    stated = (strategy.get("rollingUpdate") or {}).get("maxSurge", "25%")
    text = str(stated)
    return ceil(Fraction(text[:-1]) * template.replicas / 100) if text.endswith("%") else int(text)


def _more(obj: Item, template: PodTemplate, extra: int) -> Item:
    return {**obj, "spec": {**obj["spec"], "replicas": template.replicas + extra}}


def _identity(obj: Item) -> str:
    metadata = obj.get("metadata") or {}
    return f"{obj.get('kind')}/{metadata.get('namespace', '')}/{metadata.get('name')}"


def accelerators(template: PodTemplate) -> int:
    """Devices that one pod asks for as an extended resource."""
    return int(sum(number for name, number in template.requests.items() if name in ACCELERATORS))


def _spot(case: Case) -> Verdict:
    groups = [template for template in case.workloads if template.group_size > 1]
    if not groups:
        return skipped("no replica of the recipe spans nodes" if case.workloads else NO_RECIPE)
    rows = []
    for template in groups:
        why = eligible(case, template)
        for node in case.nodes:
            key = _interruptible(node)
            if key and not why[node.name] and offers(node, template):
                rows.append(Evidence(object=node.identity, observed=f"{key}={node.labels[key]}"))
    rows = list(dict.fromkeys(rows))
    if rows:
        return warned(
            f"Groups of pods may go to {counted(len(rows), 'node')} that the provider takes back at short notice: when"
            " one goes, its whole group stops.",
            rows,
            "Keep groups on on-demand nodes by nodeSelector.",
        )
    return passed("No node that suits a group is spot or preemptible.")


def _interruptible(node: Node) -> str:
    return next((key for key, value in _SPOT.items() if node.labels.get(key) == value), "")


def _ceiling(case: Case) -> Verdict:
    ceilings = dict(_ceilings(case))
    if not ceilings:
        return skipped("nothing scales model servers" if case.workloads else NO_RECIPE)
    rows, needed, total = [], 0, 0
    for key, most in ceilings.items():
        found = [t for t in case.workloads if t.identity == key and accelerators(t)]
        for template in found:
            why = eligible(case, template)
            names = [name for name in template.requests if name in ACCELERATORS]
            have = sum(int(n.allocatable.get(name, 0)) for n in case.nodes if not why[n.name] for name in names)
            wanted = most * template.per_replica * accelerators(template)
            needed, total = needed + wanted, max(total, have)
            rows.append(
                Evidence(object=key, observed=f"up to {most} replicas, {wanted} accelerators", expected=str(have))
            )
    if not rows:
        return skipped("nothing that scales asks for accelerators")
    if needed > total:
        return warned(
            f"Scaled to the most, model servers need {needed} accelerators; nodes that suit them have {total}.",
            rows,
            "Lower the maximum of the autoscaler, or let the cluster add nodes.",
        )
    return passed(f"Scaled to the most, model servers need {needed} of {total} accelerators.", rows)


def _ceilings(case: Case) -> Iterator[tuple[str, int]]:
    for obj in case.rendered("ScaledObject", "HorizontalPodAutoscaler"):
        spec = obj.get("spec") or {}
        target = spec.get("scaleTargetRef") or {}
        most = spec.get("maxReplicaCount", 100) if obj["kind"] == "ScaledObject" else spec.get("maxReplicas", 1)
        namespace = obj["metadata"].get("namespace", "")
        yield f"{target.get('kind', 'Deployment')}/{namespace}/{target.get('name')}", int(most)


def _zones(case: Case) -> Verdict:
    roles = {role_name(t): t for t in case.workloads if t.is_model_server}
    if not {"prefill", "decode"} <= roles.keys():
        return skipped("no role hands its KV cache to another" if case.workloads else NO_RECIPE)
    tied = all(_tied(roles[name]) for name in ("prefill", "decode"))
    zones: dict[str, list[str]] = {}
    for name in ("prefill", "decode"):
        why = eligible(case, roles[name])
        for node in case.nodes:
            if not why[node.name] and offers(node, roles[name]) and _ZONE in node.labels:
                zones.setdefault(node.labels[_ZONE], []).append(node.name)
    if tied or len(zones) < 2:
        return passed("Prefill and decode stay in one zone.")
    return failed(
        f"Prefill and decode may be put into different zones ({', '.join(sorted(zones))}): the KV cache would cross"
        " them.",
        [Evidence(object=f"Node//{names[0]}", observed=f"{_ZONE}={zone}") for zone, names in sorted(zones.items())],
        f"Select one zone: modelserver.roleDefaults.nodeSelector {_ZONE}.",
    )


def _tied(template: PodTemplate) -> bool:
    affinity = (template.spec.get("affinity") or {}).get("podAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
    return bool(required) or _ZONE in (template.spec.get("nodeSelector") or {})


def _waiting(case: Case) -> Verdict:
    wanted = {name for template in case.workloads for name in template.requests if name in ACCELERATORS}
    if not wanted:
        return skipped("no pod of the recipe asks for accelerators" if case.workloads else NO_RECIPE)
    rows = []
    for pod in case.section("pods"):
        spec = pod.get("spec") or {}
        if spec.get("nodeName") or (pod.get("status") or {}).get("phase") != "Pending" or of_release(case, pod):
            continue
        asked = {name: number for name, number in pod_requests(spec).items() if name in wanted and number}
        if asked:
            metadata = pod["metadata"]
            rows.append(
                Evidence(
                    object=f"Pod/{metadata.get('namespace', '')}/{metadata['name']}",
                    observed="Pending, asks for " + ", ".join(f"{number} {name}" for name, number in asked.items()),
                )
            )
    if rows:
        return warned(
            f"{counted(len(rows), 'pod')} wait already for {', '.join(sorted(wanted))} and may take what is free first:"
            f" {listed(row.object for row in rows)}.",
            rows,
            "Wait for them, or remove them.",
        )
    return passed(f"Nobody else waits for {', '.join(sorted(wanted))}.")


def _gang(case: Case) -> Verdict:
    groups = [t for t in case.workloads if t.group_size > 1 and not _ganged(t)]
    if not groups:
        return skipped("no group of pods goes to the default scheduler" if case.workloads else NO_RECIPE)
    count = sum({template.identity: template.replicas for template in groups}.values())
    if count < 2:
        return passed("One group of pods has nobody to compete with in this recipe.")
    if case.placement.outcome is Outcome.UNKNOWN:
        return unknown(case.placement.reason)
    if case.placement.outcome is Outcome.PASS:
        return passed(f"{count} groups of pods compete, and all fit.")
    return warned(
        f"{count} groups of pods compete for nodes, and not all fit: without gang scheduling each may hold a part, and"
        " none runs.",
        [Evidence(object=t.identity, observed=f"{t.replicas} x {t.group_size} pods") for t in groups],
        "Run as many replicas as fit, or let Kueue admit whole groups.",
    )


def _ganged(template: PodTemplate) -> bool:
    """Whether something admits the group as one: Kueue by its queue, or a scheduler of another name."""
    labels = {**template.labels, **(template.workload["metadata"].get("labels") or {})}
    scheduler = template.spec.get("schedulerName") or "default-scheduler"
    return _QUEUE in labels or scheduler != "default-scheduler"


CHECKS: Final = (
    Check(
        code="LD0808", slug="scalable-capacity", title="What is missing now may be added by the cluster",
        severity=Severity.WARNING, rule=_scalable, needs=("nodes", "pods"),
        why="Where Karpenter may add nodes for what does not fit now, pods wait and then run.",
        remedy="Expect to wait.", sources=("https://karpenter.sh/docs/concepts/nodepools/",),
    ),
    Check(
        code="LD0809", slug="rollout-headroom", title="A rollout has room for its extra pods", severity=Severity.ERROR,
        rule=_surge,
        why="A rolling update starts new pods before old ones stop (25 % of them, rounded up, unless stated). Without"
        " free accelerators they stay Pending and the rollout never ends.",
        remedy="Set maxSurge: 0, or strategy Recreate.",
        sources=("https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#max-surge",),
    ),
    Check(
        code="LD0812", slug="interruptible-nodes", title="Groups of pods keep off spot nodes",
        severity=Severity.WARNING, rule=_spot, needs=("nodes",),
        why="A replica that spans nodes stops when one of them goes away.",
        remedy="Select on-demand nodes.", sources=("https://cloud.google.com/kubernetes-engine/docs/concepts/spot-vms",),
    ),
    Check(
        code="LD0813", slug="autoscaler-ceiling", title="The autoscaler's maximum is within the cluster",
        severity=Severity.WARNING, rule=_ceiling, needs=("nodes",),
        why="Replicas beyond the accelerators that there are stay Pending, and the autoscaler believes that it acted.",
        remedy="Lower the maximum.",
        sources=("https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/",),
    ),
    Check(
        code="LD0815", slug="one-zone", title="Prefill and decode stay in one zone", severity=Severity.WARNING,
        rule=_zones, needs=("nodes",),
        why="RDMA does not cross zones, and traffic between them is slow and paid for.",
        remedy="Select one zone.",
        sources=("https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa.html",),
    ),
    Check(
        code="LD0816", slug="pending-competitors", title="Nobody else waits for the same accelerators",
        severity=Severity.WARNING, rule=_waiting, needs=("pods",),
        why="Pods that wait longer come first in the scheduler's queue.",
        remedy="Wait for them, or remove them.",
        sources=("https://kubernetes.io/docs/concepts/scheduling-eviction/scheduling-framework/",),
    ),
    Check(
        code="LD0817", slug="gang-scheduling", title="Groups of pods cannot block each other",
        severity=Severity.WARNING, rule=_gang, needs=("nodes", "pods"),
        why="The default scheduler places pod by pod: two groups may each get a part of the nodes and wait for ever.",
        remedy="Run as many groups as fit, or let Kueue admit them.",
        sources=("https://kueue.sigs.k8s.io/docs/tasks/run/leaderworkerset/",),
    ),
)  # fmt: skip
