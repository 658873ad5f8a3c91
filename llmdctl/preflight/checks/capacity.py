"""Does everything fit now, and if not: which taint, label, device or pod limit is it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from llmdctl.model.check import Evidence, Outcome
from llmdctl.model.finding import Severity
from llmdctl.preflight.capacity import eligible
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.devices import devices_left, usable, wanted
from llmdctl.preflight.growing import growth
from llmdctl.preflight.node import Node
from llmdctl.preflight.nodeselection import chosen, matches_any
from llmdctl.preflight.replicas import role_name
from llmdctl.preflight.verdict import UnknowableError, Verdict, failed, passed, skipped, unknown, warned
from llmdctl.preflight.workload import PodTemplate

NO_RECIPE: Final = "no recipe was named"
_SHOWN: Final = 8
_SCHEDULING: Final = "https://kubernetes.io/docs/concepts/scheduling-eviction/"


def _placed(case: Case) -> Verdict:
    if not case.workloads:
        return skipped(NO_RECIPE)
    found = case.placement
    if found.outcome is Outcome.UNKNOWN:
        return unknown(found.reason)
    if found.outcome is Outcome.PASS:
        return _with_doubts(case)
    lost = {pod.role: pod.reason for pod in found.pods if pod.node is None}
    evidence = [Evidence(object=_of_role(case, role), observed=reason) for role, reason in lost.items()]
    message = "; ".join(filter(None, (found.reason, found.fragmentation))) + "."
    message += f" {'; '.join(f'{role}: {reason}' for role, reason in lost.items())}."
    more = growth(case)
    if more:
        return warned(f"{message} {more}", evidence, *found.changes)
    return failed(message, evidence, *(found.changes or ("Free or add nodes; no single change that was tried helps.",)))


def _with_doubts(case: Case) -> Verdict:
    """All fits; some of it perhaps on nodes that another check advises against."""
    found = case.placement
    used = Counter(pod.node for pod in found.pods if pod.node)
    doubted = {node: why for node, why in case.against.items() if node in used and why}
    evidence = [Evidence(object=f"Node//{node}", observed="; ".join(f"{c}: {w}" for c, w in why.items()))
                for node, why in doubted.items()]  # fmt: skip
    if doubted:
        codes = sorted({code for why in doubted.values() for code in why})
        return warned(
            f"All pods fit, but only with {', '.join(sorted(doubted))}, which {', '.join(codes)} advises against.",
            evidence,
            "Repair or cordon these nodes, then look again.",
        )
    if "only when" in found.reason:
        return warned(found.reason[0].upper() + found.reason[1:] + ".", (), "Install the largest role first.")
    return passed(found.reason[0].upper() + found.reason[1:] + ".")


def _of_role(case: Case, role: str) -> str:
    return next((t.identity for t in case.workloads if role_name(t) == role), role)


def offers(node: Node, template: PodTemplate) -> bool:
    """Whether a node has every kind of device that a pod asks for, free or not."""
    return all(node.allocatable.get(name) for name in template.requests if "/" in name)


def _tolerated(case: Case) -> Verdict:
    if not case.workloads:
        return skipped(NO_RECIPE)
    kept_away: dict[str, list[Evidence]] = {}  # role -> nodes whose taints its pods do not tolerate
    shut = []
    for template in case.workloads:
        suited = [node for node in case.nodes if chosen(node, template.spec) and offers(node, template)]
        kept = {node.name: _untolerated(node, template) if node.repelling else "" for node in suited}
        against = {name: taints for name, taints in kept.items() if taints}
        kept_away.setdefault(role_name(template), []).extend(
            Evidence(object=f"Node//{name}", observed=taints, expected=f"tolerated by {template.identity}")
            for name, taints in list(against.items())[:_SHOWN]
        )
        if suited and len(against) == len(suited):
            shut.append((template, len(suited), Counter(against.values()).most_common(1)[0][0]))
    if shut:
        said = "; ".join(
            f"all {number} nodes for {template.identity} have the untolerated taint {taint}"
            for template, number, taint in shut
        )
        keys = ", ".join(dict.fromkeys(taint for _, _, taint in shut))
        evidence = [row for rows in kept_away.values() for row in rows]
        return failed(said[0].upper() + said[1:] + ".", evidence, f"Add a toleration of {keys} to these pods.")
    if any(kept_away.values()):
        return _kept_away(case, kept_away)
    return passed("The pods tolerate the taints of nodes that suit them.")


def _kept_away(case: Case, kept_away: Mapping[str, list[Evidence]]) -> Verdict:
    """Taints matter to pods that find no place elsewhere."""
    if case.placement.outcome is Outcome.UNKNOWN:
        return unknown(case.placement.reason)
    homeless = {row.role for row in case.placement.roles if row.replicas_placeable < row.replicas_wanted}
    evidence = [row for role in homeless for row in kept_away.get(role, ())]
    if not evidence:
        return passed("Pods that do not tolerate a node's taints find a place on others.")
    names = sorted({row.object.removeprefix("Node//") for row in evidence})
    said = f"Not everything fits, and taints keep the pods from {', '.join(names)}."
    return warned(said, evidence, *case.placement.changes)


def _untolerated(node: Node, template: PodTemplate) -> str:
    rows = (taint for taint in node.repelling if not taint.tolerated(template.spec.get("tolerations")))
    return ", ".join(str(taint) for taint in rows if taint.key != "node.kubernetes.io/unschedulable")


def _selected(case: Case) -> Verdict:
    if not case.workloads:
        return skipped(NO_RECIPE)
    lost = [template for template in case.workloads if not any(chosen(node, template.spec) for node in case.nodes)]
    if not lost:
        return passed(f"Every selector and required affinity takes at least one of {len(case.nodes)} nodes.")
    said, evidence = [], []
    for template in lost:
        causes = list(_causes(case, template))
        said.append(f"{template.identity}: 0 of {len(case.nodes)} nodes ({'; '.join(causes) or 'no node at all'})")
        evidence.append(Evidence(object=template.identity, observed="selects no node", expected="; ".join(causes)))
    return failed(
        f"{'. '.join(said)}.",
        evidence,
        "Choose the accelerator that the nodes have (--accelerator), label the nodes, or change the nodeSelector.",
    )


def _causes(case: Case, template: PodTemplate) -> Iterator[str]:
    """What each requirement alone finds, and what the nodes have instead."""
    for key, value in (template.spec.get("nodeSelector") or {}).items():
        have = Counter(node.labels.get(key, "") for node in case.nodes)
        if not have.pop(str(value), 0):
            seen = ", ".join(f"{number} x {label}" for label, number in have.most_common(_SHOWN) if label)
            yield f"label {key}={value} is on none, {f'nodes have {seen}' if seen else 'no node has the label'}"
    affinity = (template.spec.get("affinity") or {}).get("nodeAffinity") or {}
    terms = (affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or ()
    if terms and not any(matches_any(terms, node) for node in case.nodes):
        rows = [row for term in terms for row in term.get("matchExpressions") or ()]
        said = (
            f"{row.get('key')} {row.get('operator')} {','.join(map(str, row.get('values') or ()))}".strip()
            for row in rows
        )
        yield f"required affinity {' or '.join(said)} takes none"


def _devices(case: Case) -> Verdict:
    if not case.workloads:
        return skipped(NO_RECIPE)
    asked: Counter[str] = Counter()
    left: dict[str, int] = {}
    for template in case.workloads:
        if not template.spec.get("resourceClaims"):
            continue
        may = {name for name, why in eligible(case, template).items() if not why}
        found = [device for node, devices in devices_left(case).items() if node in may for device in devices]
        pods = template.replicas * template.per_replica
        for request in wanted(case, template.spec).requests:
            asked[request.title] += pods * (request.choices[0].count or 1)
            left[request.title] = sum(usable(device, request.choices[0]) for device in found)
    if not asked:
        return skipped("no pod of the recipe asks for a device by a claim that is reckoned")
    rows = [Evidence(object=f"DeviceClass//{name}", observed=f"{left[name]} devices left", expected=str(number))
            for name, number in asked.items()]  # fmt: skip
    short = [f"{number} of {name} are asked for, {left[name]} are left" for name, number in asked.items()
             if left[name] < number]  # fmt: skip
    if short:
        return failed(f"{'; '.join(short)}.", rows, "Run fewer replicas, or free devices that other claims hold.")
    return passed(f"Devices: {'; '.join(f'{asked[n]} of {left[n]} {n}' for n in asked)}.", rows)


def _slots(case: Case) -> Verdict:
    if not case.workloads:
        return skipped(NO_RECIPE)
    stated = [node for node in case.nodes if "pods" in node.allocatable]
    if not stated:
        raise UnknowableError("no node says how many pods it takes")
    full = [node for node in stated if case.free[node.name]["pods"] < 1]
    evidence = [
        Evidence(object=node.identity, observed=f"{int(node.allocatable['pods'])} pods allowed, none left")
        for node in full[:_SHOWN]
    ]
    if full:
        return failed(
            f"{len(full)} of {len(stated)} nodes run as many pods as they may.",
            evidence,
            "Raise the kubelet's maxPods (or the pool's maximum pods per node), or move small pods away.",
        )
    return passed(f"Each of {len(stated)} nodes takes at least one more pod.")


def _home(case: Case) -> Verdict:
    control = [template for template in case.workloads if not template.is_model_server and template.replicas]
    if not control:
        return skipped("the recipe has no pods but model servers" if case.workloads else NO_RECIPE)
    why = [(template, Counter(eligible(case, template).values())) for template in control]
    rows = [
        Evidence(
            object=template.identity, observed=", ".join(f"{number} {text}" for text, number in found.most_common())
        )
        for template, found in why
        if "" not in found
    ]
    if not rows:
        return passed("Pods that need no accelerator have nodes that take them.")
    return failed(
        f"{', '.join(row.object for row in rows)}: no node takes it ({rows[0].observed}).",
        rows,
        "Add an untainted CPU node, or let these pods tolerate a taint (scheduler.tolerations and their like).",
    )


CHECKS: Final = (
    Check(
        code="LD0801", slug="free-accelerators", title="Every pod of the recipe finds a node", severity=Severity.ERROR,
        rule=_placed, needs=("nodes", "pods", "resource-slices"),
        why="A pod without a node stays Pending, and a group of pods serves only when all of them run. Free is what a"
        " node can allocate less what pods ask for and claims hold; every replica is placed by the scheduler's rules.",
        remedy="Take one of the changes that the report names: each was tried.",
        sources=(f"{_SCHEDULING}kube-scheduler/",),
    ),
    Check(
        code="LD0802", slug="taints-tolerated", title="Pods tolerate the taints of the nodes they need",
        severity=Severity.ERROR, rule=_tolerated, needs=("nodes",),
        why="A taint NoSchedule or NoExecute without a matching toleration keeps every pod away, and a toleration with"
        " operator Equal matches one value only.",
        remedy="Add the toleration, or remove the taint.", sources=(f"{_SCHEDULING}taint-and-toleration/",),
    ),
    Check(
        code="LD0803", slug="node-selection", title="Selectors and required affinity take some node",
        severity=Severity.ERROR, rule=_selected, needs=("nodes",),
        why="Pods whose selector no node satisfies stay Pending for ever.",
        remedy="Choose the accelerator that the nodes have, or label the nodes.",
        sources=(f"{_SCHEDULING}assign-pod-node/",),
    ),
    Check(
        code="LD0810", slug="dra-devices", title="Enough devices are left for resource claims", severity=Severity.ERROR,
        rule=_devices, needs=("nodes",),
        why="Devices of DRA drivers are counted by ResourceSlices and held by allocated claims; tainted devices, and"
        " pools of which a slice is missing, do not count.",
        remedy="Run fewer replicas, or free devices.", sources=(f"{_SCHEDULING}dynamic-resource-allocation/",),
    ),
    Check(
        code="LD0811", slug="pods-per-node", title="Nodes take more pods", severity=Severity.WARNING, rule=_slots,
        needs=("nodes", "pods"),
        why="A kubelet takes a limited number of pods (110 by default), whatever is free otherwise.",
        remedy="Raise the limit of the pool, or move small pods away.",
        sources=("https://kubernetes.io/docs/setup/best-practices/cluster-large/",),
    ),
    Check(
        code="LD0814", slug="control-pods-home", title="Router, picker and proxy have a node", severity=Severity.ERROR,
        rule=_home, needs=("nodes",),
        why="Pods that need no accelerator tolerate no taint of accelerator nodes: a cluster of only such nodes has no"
        " place for them.",
        remedy="Add an untainted node.", sources=(f"{_SCHEDULING}taint-and-toleration/",),
    ),
)  # fmt: skip
