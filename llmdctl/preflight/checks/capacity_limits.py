"""What a namespace allows: quotas, limit ranges, priority classes, queues."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

from llmdctl.model.check import Evidence, Outcome
from llmdctl.model.finding import Severity
from llmdctl.model.quantity import ACCELERATORS, exact
from llmdctl.preflight.capacity import of_release
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.capacity import NO_RECIPE
from llmdctl.preflight.phrases import listed
from llmdctl.preflight.quota import demand, selected_by
from llmdctl.preflight.requests import Amounts, amounts, pod_requests
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, warned

Item = Mapping[str, Any]
_POLICY: Final = "https://kubernetes.io/docs/concepts/policy/"
_PRIORITY: Final = "https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/"
_QUEUE: Final = "kueue.x-k8s.io/queue-name"


def _quota(case: Case) -> Verdict:
    if not case.objects:
        return skipped(NO_RECIPE)
    quotas = [item for item in case.section("resource-quotas") if item["metadata"].get("namespace") == case.namespace]
    if not quotas:
        return passed(f"The namespace {case.namespace} has no quota.")
    rows = [row for quota in quotas for row in _exceeded(case, quota)]
    if rows:
        said = (f"{row.object.split('/')[-1]}: {row.observed}, {row.expected}" for row in rows)
        return failed(
            f"The quota of {case.namespace} is too small: {listed(said, between='; ')}.",
            rows,
            "Have the quota raised, run fewer replicas, or install into another namespace.",
        )
    return passed(f"{len(quotas)} quota{'s' if len(quotas) > 1 else ''} of {case.namespace} leave enough.")


def _exceeded(case: Case, quota: Item) -> Iterator[Evidence]:
    hard = amounts((quota.get("status") or {}).get("hard") or (quota.get("spec") or {}).get("hard"))
    used = amounts((quota.get("status") or {}).get("used"))
    taken = [template for template in case.workloads if selected_by(quota, template)]
    wanted = demand(case, taken)
    for name, most in hard.items():
        asked, have = wanted.get(name, Fraction(0)), used.get(name, Fraction(0))
        if asked and have + asked > most and have - _own(case, name, asked) + asked > most:
            yield Evidence(
                object=f"ResourceQuota/{case.namespace}/{quota['metadata']['name']}",
                observed=f"{name} {_number(have)} of {_number(most)} used",
                expected=f"{_number(asked)} more are needed",
            )


def _own(case: Case, name: str, asked: Fraction) -> Fraction:
    """What the release itself uses already: an upgrade replaces its pods and keeps its objects."""
    own = [pod for pod in case.section("pods") if of_release(case, pod)]
    if name in ("pods", "count/pods"):
        return Fraction(len(own))
    if own and "/" not in name.removeprefix("count/") and not name.startswith(("requests.", "limits.")):
        counted = name not in ("cpu", "memory", "ephemeral-storage")
        return asked if counted else _requested(own, name)
    return _requested(own, name.removeprefix("requests."))


def _requested(own: list[Item], plain: str) -> Fraction:
    return sum((pod_requests(pod.get("spec") or {}).get(plain, Fraction(0)) for pod in own), Fraction(0))


def _number(value: Fraction) -> str:
    if value >= 2**30 and value.denominator == 1:
        return f"{float(value / 2**30):.4g}Gi"
    return f"{float(value):g}"


def _ranges(case: Case) -> Verdict:
    if not case.workloads:
        return skipped(NO_RECIPE)
    items = [item for item in case.section("limit-ranges") if item["metadata"].get("namespace") == case.namespace]
    if not items:
        return passed(f"The namespace {case.namespace} has no limit range.")
    rows: list[Evidence] = []
    for item in items:
        for limit in (item.get("spec") or {}).get("limits") or ():
            rows += _outside(case, item, limit)
    if rows:
        said = (f"{row.object}: {row.observed}, {row.expected}" for row in rows)
        return failed(
            f"Limit ranges of {case.namespace} refuse pods: {listed(said, between='; ')}.",
            rows,
            "Have the limit range changed, or set the role's resources within it.",
        )
    return passed(f"Limit ranges of {case.namespace} allow every container.")


def _outside(case: Case, item: Item, limit: Item) -> Iterator[Evidence]:
    kind = limit.get("type")
    for template in case.workloads:
        if kind == "Pod":
            rows = [("pod", template.requests, _summed(template.containers, "limits"))]
        elif kind == "Container":
            rows = [(str(c.get("name")), *_with_defaults(c, limit)) for c in template.containers]
        else:
            continue
        for name, requests, limits in rows:
            for text in _breaks(limit, requests, limits):
                yield Evidence(
                    object=template.identity, observed=f"{name} {text}",
                    expected=f"LimitRange/{case.namespace}/{item['metadata']['name']}",
                )  # fmt: skip


def _with_defaults(container: Item, limit: Item) -> tuple[Amounts, Amounts]:
    """Requests and limits of a container once the defaults have been filled in."""
    stated = container.get("resources") or {}
    limits = {**amounts(limit.get("default")), **amounts(stated.get("limits"))}
    own = {**amounts(stated.get("limits")), **amounts(stated.get("requests"))}
    return {**limits, **amounts(limit.get("defaultRequest")), **own}, limits


def _breaks(limit: Item, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, most in amounts(limit.get("max")).items():
        if name not in limits:
            yield f"states no limit of {name}, and {_number(most)} is the most"
        elif limits[name] > most:
            yield f"may use {_number(limits[name])} {name}, {_number(most)} is the most"
    for name, least in amounts(limit.get("min")).items():
        if requests.get(name, Fraction(0)) < least:
            yield f"asks for {_number(requests.get(name, Fraction(0)))} {name}, {_number(least)} is the least"
    for name, ratio in amounts(limit.get("maxLimitRequestRatio")).items():
        asked = requests.get(name)
        if not asked or name not in limits or limits[name] / asked > ratio:
            yield f"has no limit of {name} within {_number(ratio)} times its request"


def _summed(containers: tuple[Item, ...], kind: str) -> Amounts:
    total: Amounts = {}
    for container in containers:
        for name, number in amounts((container.get("resources") or {}).get(kind)).items():
            total[name] = total.get(name, Fraction(0)) + number
    return total


def _priority(case: Case) -> Verdict:
    if not case.workloads:
        return skipped(NO_RECIPE)
    named = {str(t.spec["priorityClassName"]): t for t in case.workloads if t.spec.get("priorityClassName")}
    if not named:
        return skipped("no pod of the recipe names a priority class")
    classes = {str(item["metadata"]["name"]): item for item in case.section("priority-classes")}
    missing = {name: template for name, template in named.items() if name not in classes}
    if missing:
        return failed(
            f"PriorityClass {', '.join(missing)} does not exist: the API server refuses the pods.",
            [Evidence(object=t.identity, observed=f"priorityClassName {name}") for name, t in missing.items()],
            "Make the class, or leave priorityClassName out.",
        )
    victims = list(_victims(case, classes, named))
    if victims and case.placement.outcome is not Outcome.PASS:
        return warned(
            f"Not everything fits, and pods of lower priority hold accelerators: the scheduler may evict"
            f" {listed(row.object for row in victims)}.",
            victims,
            "Set preemptionPolicy: Never on the class where that is not meant.",
        )
    return passed(f"PriorityClass {', '.join(named)} exists, and nobody needs to be evicted.")


def _victims(case: Case, classes: Mapping[str, Item], named: Mapping[str, object]) -> Iterator[Evidence]:
    able = [classes[name] for name in named if classes[name].get("preemptionPolicy") != "Never"]
    most = max((int(item.get("value") or 0) for item in able), default=None)
    if most is None:
        return
    for pod in case.section("pods"):
        spec = pod.get("spec") or {}
        priority = int(spec.get("priority") or 0)
        if spec.get("nodeName") and priority < most and not of_release(case, pod):
            held = [
                f"{number} {name}" for name, number in pod_requests(spec).items() if name in ACCELERATORS and number
            ]
            if held:
                metadata = pod["metadata"]
                yield Evidence(
                    object=f"Pod/{metadata.get('namespace', '')}/{metadata['name']}",
                    observed=f"priority {priority}, holds {', '.join(held)}",
                    expected=f"lower than {most}",
                )


def _queue(case: Case) -> Verdict:
    queued: dict[str, list[Any]] = {}
    for template in case.workloads:
        labels = {**template.labels, **(template.workload["metadata"].get("labels") or {})}
        if labels.get(_QUEUE):
            queued.setdefault(str(labels[_QUEUE]), []).append(template)
    if not queued:
        return skipped("no workload of the recipe names a queue" if case.workloads else NO_RECIPE)
    items = case.section("kueue")
    rows = [row for name, found in queued.items() for row in _short(items, case, name, found)]
    if rows:
        said = (": ".join((row.object, ", ".join(filter(None, (row.observed, row.expected))))) for row in rows)
        return warned(
            f"Kueue would let pods wait: {listed(said, between='; ')}.",
            rows,
            "Make the queue, raise its nominal quota, or run fewer replicas.",
        )
    return passed(f"Kueue's queue {', '.join(queued)} has room.")


def _short(items: tuple[Item, ...], case: Case, name: str, templates: list[Any]) -> Iterator[Evidence]:
    local = next((i for i in items if i.get("kind") == "LocalQueue" and i["metadata"]["name"] == name
                  and i["metadata"].get("namespace") == case.namespace), None)  # fmt: skip
    if local is None:
        yield Evidence(
            object=f"LocalQueue/{case.namespace}/{name}", observed="does not exist", expected="named by pods"
        )
        return
    target = str((local.get("spec") or {}).get("clusterQueue") or "")
    cluster = next((i for i in items if i.get("kind") == "ClusterQueue" and i["metadata"]["name"] == target), None)
    if cluster is None:
        yield Evidence(object=f"ClusterQueue//{target}", observed="does not exist", expected=f"of LocalQueue {name}")
        return
    wanted: Counter[str] = Counter()
    for template in templates:
        for resource, number in template.requests.items():
            wanted[resource] += number * template.replicas * template.per_replica
    left = _unreserved(cluster)
    for resource, number in wanted.items():
        if resource in left and left[resource] < number:
            room = _number(max(left[resource], Fraction(0)))
            yield Evidence(
                object=f"ClusterQueue//{target}",
                observed=f"{room} {resource} left",
                expected=f"{_number(Fraction(number))} are asked for",
            )


def _unreserved(cluster: Item) -> dict[str, Fraction]:
    """Resource -> nominal quota of all flavours less what is reserved."""
    left: dict[str, Fraction] = {}
    for group in (cluster.get("spec") or {}).get("resourceGroups") or ():
        for flavor in group.get("flavors") or ():
            for row in flavor.get("resources") or ():
                left[row["name"]] = left.get(row["name"], Fraction(0)) + (exact(row.get("nominalQuota")) or 0)
    for flavor in (cluster.get("status") or {}).get("flavorsReservation") or ():
        for row in flavor.get("resources") or ():
            if row["name"] in left:
                left[row["name"]] -= exact(row.get("total")) or 0
    return left


CHECKS: Final = (
    Check(
        code="LD0804", slug="resource-quota", title="The namespace's quota is large enough", severity=Severity.ERROR,
        rule=_quota, needs=("resource-quotas",),
        why="The API server refuses what exceeds a quota: the Deployment is there, its pods never come.",
        remedy="Have the quota raised.", sources=(f"{_POLICY}resource-quotas/",),
    ),
    Check(
        code="LD0805", slug="limit-range", title="Limit ranges allow the pods", severity=Severity.ERROR, rule=_ranges,
        needs=("limit-ranges",),
        why="A container outside of a limit range is refused at admission.",
        remedy="Change the limit range or the role's resources.", sources=(f"{_POLICY}limit-range/",),
    ),
    Check(
        code="LD0806", slug="priority-class", title="Priority classes exist, and nobody is evicted unexpectedly",
        severity=Severity.ERROR, rule=_priority, needs=("priority-classes",),
        why="A pod that names a class which does not exist is refused; one with a higher priority may have others"
        " evicted. Evictions are not reckoned in the placement.",
        remedy="Make the class, or leave it out.", sources=(_PRIORITY,),
    ),
    Check(
        code="LD0807", slug="kueue-admission", title="Kueue has room for the workloads", severity=Severity.WARNING,
        rule=_queue, needs=("kueue",),
        why="A workload that Kueue does not admit waits without a pod, whatever is free on the nodes.",
        remedy="Raise the nominal quota of the ClusterQueue.",
        sources=("https://kueue.sigs.k8s.io/docs/concepts/cluster_queue/",),
    ),
)  # fmt: skip
