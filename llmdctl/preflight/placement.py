"""Where every pod of a recipe would go, by the scheduler's own rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from llmdctl.model.check import Outcome, PlacedPod, Placement, RolePlacement
from llmdctl.preflight.board import Board, Sort, is_extended
from llmdctl.preflight.changes import changes
from llmdctl.preflight.packing import Packed, Unit, pack, scattered
from llmdctl.preflight.replicas import Plan, planned, role_name
from llmdctl.preflight.verdict import UnknowableError
from llmdctl.preflight.whynot import histogram

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case

_OWN: Final = ("", "default-scheduler")
NOT_RECKONED: Final = "pods of lower priority are not evicted in this reckoning"


def place(case: Case) -> Placement:
    """Where every pod of the recipe would go; never raises, its outcome is unknown at worst.

    It says what can be placed at all, the largest first. The order in which pods reach a real scheduler can make fewer
    of them fit; `reason` says so where it could. Nobody is evicted for a pod of higher priority.
    """
    try:
        case.section("nodes")
        case.section("pods")
        return _place(case)
    except UnknowableError as cause:
        return Placement(outcome=Outcome.UNKNOWN, reason=str(cause))


def _place(case: Case) -> Placement:
    if not case.workloads:
        return Placement(outcome=Outcome.UNKNOWN, reason="no recipe was named, so there is nothing to place")
    plan = planned(case, case.workloads)
    packed = pack(plan.board, plan.units)
    missing = len(plan.units) - len(packed.places)
    return Placement(
        outcome=Outcome.FAIL if missing else Outcome.PASS,
        reason="; ".join((*_said(plan, packed), *_notes(case, plan))),
        pods=tuple(_pods(plan, packed)),
        roles=roles(case, plan, packed),
        changes=changes(case, plan, packed) if missing else (),
        fragmentation=_fragmentation(plan, packed) if missing else "",
    )


def roles(case: Case, plan: Plan, packed: Packed) -> tuple[RolePlacement, ...]:
    """Per role what is wanted and what fits, in the order of the recipe's objects."""
    wanted = Counter(plan.names[unit.workload] for unit in plan.units)
    placed = Counter(plan.names[unit.workload] for unit in plan.units if unit.number in packed.places)
    names = dict.fromkeys(role_name(template) for template in case.workloads)
    return tuple(
        RolePlacement(role=name, replicas_wanted=wanted[name], replicas_placeable=placed[name]) for name in names
    )


def _said(plan: Plan, packed: Packed) -> Iterator[str]:
    lost = [unit for unit in plan.units if unit.number not in packed.places]
    if not lost:
        count = sum(len(unit.pods) for unit in plan.units)
        yield f"all {count} pods fit"
        if len(plan.names) > 1 and scattered(plan.board, plan.units) < len(plan.units):
            yield (
                "only when the large pods come first: the scheduler spreads pods, and small ones that come first may"
                " leave no node whole"
            )
        return
    for workload in dict.fromkeys(unit.workload for unit in lost):
        wanted = sum(unit.workload == workload for unit in plan.units)
        fit = wanted - sum(unit.workload == workload for unit in lost)
        yield f"{plan.names[workload]}: {fit} of {wanted} replicas fit"
    if not packed.searched:
        yield "the search was ended early, a better placement may exist"


def _notes(case: Case, plan: Plan) -> Iterator[str]:
    for sort in plan.board.sorts:
        yield from sort.wanted.notes
        scheduler = str(sort.template.spec.get("schedulerName") or "")
        if scheduler not in _OWN:
            yield f"{role_name(sort.template)} goes to the scheduler {scheduler}, whose own rules are not reckoned"
    if any(template.spec.get("priorityClassName") for template in case.workloads):
        yield NOT_RECKONED


def _pods(plan: Plan, packed: Packed) -> Iterator[PlacedPod]:
    whynot = dict(_reasons(plan, packed))
    why = {sort.number: _good(plan.board, sort) for sort in plan.board.sorts}
    for unit in plan.units:
        nodes = packed.places.get(unit.number)
        for number, sort in enumerate(unit.pods):
            node = plan.board.nodes[nodes[number]].name if nodes else None
            yield PlacedPod(
                role=plan.names[unit.workload],
                replica=unit.replica,
                pod=number,
                node=node,
                reason=why[sort.number] if nodes else whynot[unit.workload],
            )


def _good(board: Board, sort: Sort) -> str:
    able = sum(board.room(sort, node) > 0 for node in range(len(board.nodes)))
    return "the only node with room for it" if able == 1 else f"best fit of {able} nodes with room for it"


def _reasons(plan: Plan, packed: Packed) -> Iterator[tuple[int, str]]:
    """Workload -> why one more replica finds no place, once everything else stands."""
    puts = [
        plan.board.put(sort, node, unit.number)
        for unit in plan.units
        for sort, node in zip(unit.pods, packed.places.get(unit.number, ()), strict=False)
    ]
    lost: dict[int, Unit] = {}
    for unit in plan.units:
        if unit.number not in packed.places:
            lost.setdefault(unit.workload, unit)
    found = [(workload, histogram(plan.board, unit)) for workload, unit in lost.items()]
    for put in reversed(puts):
        plan.board.take(put)
    yield from found


def _fragmentation(plan: Plan, packed: Packed) -> str:
    """Whether there is enough of a device in all, and too little on each node."""
    lost = dict.fromkeys(sort for unit in plan.units if unit.number not in packed.places for sort in unit.pods)
    return "; ".join(dict.fromkeys(text for sort in lost for text in _splinters(plan.board, sort)))


def _splinters(board: Board, sort: Sort) -> Iterator[str]:
    may = [node for node in range(len(board.nodes)) if not sort.refusals[node]]
    for i, number in enumerate(sort.need):
        if not number or not is_extended(board.resources[i]):
            continue
        free = [max(0, board.free[node][i]) for node in may]
        if sum(free) >= number > max(free, default=0):
            yield f"{sum(free)} {board.resources[i]} are free, no node has {number} (most: {max(free)})"
