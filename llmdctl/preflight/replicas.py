"""The replicas of a recipe, what is hardest to place first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmdctl.model.quantity import ACCELERATORS
from llmdctl.preflight.board import Board, Sort
from llmdctl.preflight.packing import Packed, Unit
from llmdctl.preflight.workload import COMPONENT_LABEL

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case
    from llmdctl.preflight.requests import Amounts
    from llmdctl.preflight.workload import PodTemplate


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The replicas of a recipe on a board, in the order in which they are placed."""

    board: Board
    units: tuple[Unit, ...]

    @property
    def names(self) -> Mapping[int, str]:
        """Workload -> its role."""
        return {unit.workload: role_name(unit.pods[0].template) for unit in self.units}


def role_name(template: PodTemplate) -> str:
    """A role of the recipe, else the component, else the workload's name."""
    return template.labels.get(COMPONENT_LABEL) or template.role


def planned(case: Case, templates: tuple[PodTemplate, ...], *, left: Mapping[str, Amounts] | None = None) -> Plan:
    """Every replica of these templates, what is hardest to place first. Raises UnknowableError.

    `left` is what is free of each node, where that is known already.
    """
    board = Board(case, templates, left=left)
    groups: dict[int, list[Sort]] = {}
    for sort in board.sorts:
        groups.setdefault(id(sort.template.workload), []).append(sort)
    ordered = sorted(groups.values(), key=_size, reverse=True)
    units: list[Unit] = []
    for workload, sorts in enumerate(ordered):
        pods = tuple(sort for sort in sorts for _ in range(sort.template.per_replica))
        for replica in range(sorts[0].template.replicas):
            units.append(Unit(number=len(units), workload=workload, replica=replica, pods=pods))
    return Plan(board=board, units=tuple(units))


def _size(sorts: list[Sort]) -> tuple[float, ...]:
    pods = [sort for sort in sorts for _ in range(sort.template.per_replica)]
    each = [_devices(sort.template) for sort in pods]
    requests = [sort.template.requests for sort in pods]
    return (
        max(each), sum(each),
        *(float(max(asked.get(name, 0) for asked in requests)) for name in ("cpu", "memory", "ephemeral-storage")),
    )  # fmt: skip


def _devices(template: PodTemplate) -> float:
    asked = sum(number for name, number in template.requests.items() if name in ACCELERATORS)
    return float(asked) or float(len(template.spec.get("resourceClaims") or ()))


def unplaced(packed: Packed, units: Iterable[Unit]) -> tuple[Unit, ...]:
    """The replicas without a place."""
    return tuple(unit for unit in units if unit.number not in packed.places)
