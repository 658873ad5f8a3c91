"""The one change that would make a recipe fit; each is tried before it is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from llmdctl.model.quantity import ACCELERATORS
from llmdctl.preflight.board import Board, Sort
from llmdctl.preflight.node import Node
from llmdctl.preflight.packing import Packed, Unit, all_fit
from llmdctl.preflight.replicas import Plan, planned, role_name, unplaced
from llmdctl.preflight.requests import amounts
from llmdctl.preflight.smaller import smaller_tensor
from llmdctl.preflight.verdict import UnknowableError

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case


Item = Mapping[str, Any]
_TRIALS: Final = 40
_POOLS: Final = 4
_NODES: Final = 512


def changes(case: Case, plan: Plan, packed: Packed) -> tuple[str, ...]:
    """Sentences, the smallest change first; none where nothing that was tried is enough."""
    lost = unplaced(packed, plan.units)
    fewer = _with_room(case, plan, packed)
    return tuple(
        dict.fromkeys(
            (
                *_another_pool(fewer, plan, lost),
                *_fewer(case, plan, lost),
                *_smaller(fewer, lost),
                *_more_nodes(case, plan, packed),
            )
        )
    )


def _with_room(case: Case, plan: Plan, packed: Packed) -> Case:
    """Of a large cluster the nodes on which a trial may end otherwise: those used, and some that have room.

    What fits there fits on all of them. Of each reason that keeps a pod away there are as many as a trial may want.
    """
    board = plan.board
    if len(board.nodes) <= _NODES:
        return case
    kept = {node for places in packed.places.values() for node in places}
    for sort in dict.fromkeys(sort for unit in plan.units for sort in unit.pods):
        able: Counter[str] = Counter()
        for node, why in enumerate(sort.refusals):
            if able[why] < _NODES and all(board.free[node][i] >= number for i, number in sort.needed):
                able[why] += 1
                kept.add(node)
    return case.on(tuple(board.nodes[node] for node in sorted(kept)))


def _fewer(case: Case, plan: Plan, lost: tuple[Unit, ...]) -> Iterator[str]:
    """Fewer replicas of one role, else of several."""
    wanted = Counter(unit.workload for unit in plan.units)
    shrinkable = [workload for workload, number in wanted.items() if number > 1]
    single = False
    for workload in sorted(shrinkable, key=lambda each: each not in {unit.workload for unit in lost}):
        most = _most(plan, wanted, workload)
        if most:
            single = True
            yield f"Run {_few(case, plan, {workload: most}, wanted)}."
    if not single and shrinkable:
        several = _several(plan, wanted)
        if several:
            yield f"Run {_few(case, plan, several, wanted)}."


def _most(plan: Plan, wanted: Mapping[int, int], workload: int) -> int:
    """The most replicas of one workload with which everything fits; 0: with none."""
    low, high = 0, wanted[workload] - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _fits(plan, {**wanted, workload: middle}) else (low, middle - 1)
    return low


def _several(plan: Plan, wanted: Mapping[int, int]) -> dict[int, int]:
    """The largest share is cut, again and again, until everything fits."""
    limits = dict(wanted)
    devices = {unit.workload: sum(max(1, _devices(sort)) for sort in unit.pods) for unit in plan.units}
    for _ in range(_TRIALS):
        able = [workload for workload, number in limits.items() if number > 1]
        if not able:
            break
        largest = max(able, key=lambda workload: limits[workload] * devices[workload])
        limits[largest] -= max(1, limits[largest] // 8)
        if _fits(plan, limits):
            return {workload: number for workload, number in limits.items() if number < wanted[workload]}
    return {}


def _fits(plan: Plan, limits: Mapping[int, int]) -> bool:
    units = tuple(unit for unit in plan.units if unit.replica < limits[unit.workload])
    return all_fit(plan.board, units)


def _few(case: Case, plan: Plan, limits: Mapping[int, int], wanted: Mapping[int, int]) -> str:
    said, flags = [], []
    for workload, number in limits.items():
        name = plan.names[workload]
        said.append(f"{name} with {number} replica{'s' if number > 1 else ''} instead of {wanted[workload]}")
        if case.recipe is not None and case.recipe.role(name):
            flags.append(f"--role {name}.replicas={number}")
    return " and ".join(said) + (f": {' '.join(flags)}" if flags else "")


def _smaller(case: Case, lost: tuple[Unit, ...]) -> Iterator[str]:
    """A smaller tensor parallelism of the role that does not fit, where the model still does."""
    for unit in _first_of_each(lost):
        sort = unit.pods[0]
        name = role_name(sort.template)
        for tensor, templates in smaller_tensor(case, name, sort.template.workload):
            trial = planned(case, templates, left=case.free)
            if all_fit(trial.board, trial.units):
                yield f"Run {name} with tensor parallelism {tensor}: --role {name}.parallelism.tensor={tensor}."
                break


def _another_pool(case: Case, plan: Plan, lost: tuple[Unit, ...]) -> Iterator[str]:
    """Nodes with room that a taint, a label or a cordon keeps from the pods."""
    for unit in _first_of_each(lost):
        workload = unit.pods[0].template.workload
        name = role_name(unit.pods[0].template)
        for (kind, what), nodes in _kept_away(plan.board, unit.pods[-1]).most_common(_POOLS):
            trial = _with_pool(case, workload, kind, what)
            try:
                attempt = planned(trial, trial.workloads, left=case.free)
            except UnknowableError:
                continue
            if all_fit(attempt.board, attempt.units):
                yield _said_of_pool(kind, what, name, nodes)


def _kept_away(board: Board, sort: Sort) -> Counter[tuple[str, str]]:
    """(taint, cordon or label; which) -> nodes that have the resources, and only that against the pod."""
    found: Counter[tuple[str, str]] = Counter()
    for node, item in enumerate(board.nodes):
        refusal = sort.refusals[node]
        if not refusal or any(number > board.free[node][i] for i, number in sort.needed):
            continue
        if refusal == "cordoned":
            found["cordon", ""] += 1
        elif refusal.startswith("untolerated taint"):
            tolerations = sort.template.spec.get("tolerations")
            found["taint", ", ".join(str(t) for t in item.repelling if not t.tolerated(tolerations))] += 1
        elif refusal.startswith(("label ", "node affinity")):
            found["label", refusal] += 1
    return found


def _with_pool(case: Case, workload: Item, kind: str, what: str) -> Case:
    """The case with what keeps the pods away gone."""
    if kind == "cordon":
        return case.on(tuple(Node(item=_uncordoned(node.item)) if node.cordoned else node for node in case.nodes))
    changed = [_changed(obj, kind, what) if obj is workload else obj for obj in case.objects]
    return case.having(tuple(changed))


def _uncordoned(item: Item) -> Item:
    spec = {key: value for key, value in (item.get("spec") or {}).items() if key != "unschedulable"}
    return {**item, "spec": spec}


def _changed(obj: Item, kind: str, what: str) -> Item:
    """A workload whose pods tolerate the taints, or ask for no label."""

    def pod(spec: Item) -> Item:
        if kind == "taint":
            added = [
                {"key": text.partition("=")[0].partition(":")[0], "operator": "Exists"} for text in what.split(", ")
            ]
            return {**spec, "tolerations": [*(spec.get("tolerations") or ()), *added]}
        affinity = {key: value for key, value in (spec.get("affinity") or {}).items() if key != "nodeAffinity"}
        return {**spec, "nodeSelector": {}, "affinity": affinity}

    return with_pods(obj, pod)


def with_pods(obj: Item, pod: Any) -> Item:  # noqa: ANN401  a function from a pod's spec to another
    """A workload with each of its pod specs changed."""
    spec = obj["spec"]
    if obj["kind"] != "LeaderWorkerSet":
        return {**obj, "spec": {**spec, "template": {**spec["template"], "spec": pod(spec["template"]["spec"])}}}
    group = spec["leaderWorkerTemplate"]
    inner = {
        key: {**group[key], "spec": pod(group[key]["spec"])}
        for key in ("leaderTemplate", "workerTemplate")
        if group.get(key)
    }
    return {**obj, "spec": {**spec, "leaderWorkerTemplate": {**group, **inner}}}


def _said_of_pool(kind: str, what: str, name: str, nodes: int) -> str:
    some = f"{nodes} node{'s' if nodes > 1 else ''}"
    if kind == "taint":
        return f"Let {name} tolerate {what}: {some} with room have it (modelserver.roles.{name}.tolerations)."
    if kind == "cordon":
        return f"Uncordon nodes: {some} with room for {name} are cordoned."
    return f"Let {name} go to other nodes: {some} have room, and only this is against them: {what}."


def _more_nodes(case: Case, plan: Plan, packed: Packed) -> Iterator[str]:
    """How many nodes more, and like which."""
    lost = unplaced(packed, plan.units)
    model = _like(case, plan.board, lost)
    if model is None:
        return
    item, called = model
    kept = _relevant(plan, packed, lost)
    low, high = 1, sum(len(unit.pods) for unit in lost)
    if high > _NODES or not _enough(case, kept, item, high):
        return
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _enough(case, kept, item, middle) else (middle + 1, high)
    yield f"Add {low} node{'s' if low > 1 else ''} {called}."


def _relevant(plan: Plan, packed: Packed, lost: tuple[Unit, ...]) -> tuple[int, ...]:
    """Nodes that a trial needs: those that are used, and some on which what is missing could begin."""
    used = {node for places in packed.places.values() for node in places}
    sorts = tuple(dict.fromkeys(sort for unit in lost for sort in unit.pods))
    board = plan.board
    roomy = (node for node in range(len(board.nodes)) if any(board.room(sort, node) for sort in sorts))
    return (*sorted(used), *islice((node for node in roomy if node not in used), _NODES))


def _like(case: Case, board: Board, lost: tuple[Unit, ...]) -> tuple[Item, str] | None:
    """A node on which the pods would fit if it were empty: one of the cluster, else the accelerator's."""
    largest = lost[0].pods[-1]
    for number, node in enumerate(board.nodes):
        whole = not largest.refusals[number] and all(
            wanted <= int((node.allocatable.get(name) or 0) * (1000 if name == "cpu" else 1))
            for name, wanted in zip(board.resources, largest.need, strict=True)
        )
        if whole:
            return node.item, f"like {node.name}"
    shape = case.recipe.node if case.recipe is not None else {}
    if not shape.get("allocatable") or not _devices(largest):
        return None
    facet = case.recipe.facets.get("accelerator", "") if case.recipe is not None else ""
    item = {
        "metadata": {"name": "new", "labels": dict(shape.get("labels") or {})},
        "spec": {"taints": list(shape.get("taints") or ())},
        "status": {"allocatable": shape["allocatable"]},
    }
    return item, f"with {facet} ({shape.get('count_per_node')} accelerators each)"


def _enough(case: Case, kept: tuple[int, ...], item: Item, number: int) -> bool:
    """Whether so many more nodes are enough."""
    copies = tuple(_copy(item, i) for i in range(number))
    trial = case.on((*(case.nodes[node] for node in kept), *(Node(item=copy) for copy in copies)))
    left = {**case.free, **{copy["metadata"]["name"]: amounts(copy["status"]["allocatable"]) for copy in copies}}
    try:
        plan = planned(trial, trial.workloads, left=left)
    except UnknowableError:
        return False
    return all_fit(plan.board, plan.units)


def _copy(item: Item, number: int) -> Item:
    """An empty node like this one."""
    name = f"{item['metadata'].get('name')}-more-{number}"
    labels = {**(item["metadata"].get("labels") or {}), "kubernetes.io/hostname": name}
    return {**item, "metadata": {**item["metadata"], "name": name, "labels": labels}}


def _first_of_each(lost: tuple[Unit, ...]) -> tuple[Unit, ...]:
    first: dict[int, Unit] = {}
    for unit in lost:
        first.setdefault(unit.workload, unit)
    return tuple(first.values())


def _devices(sort: Sort) -> int:
    return int(sum(number for name, number in sort.template.requests.items() if name in ACCELERATORS))
