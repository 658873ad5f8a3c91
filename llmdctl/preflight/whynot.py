"""Why a pod fits nowhere: one reason a node, and how often each."""

from __future__ import annotations

from collections import Counter
from typing import Final

from llmdctl.preflight.board import Board, Sort
from llmdctl.preflight.packing import Unit

_SHOWN: Final = 6
_GI: Final = 2**30


def histogram(board: Board, unit: Unit) -> str:
    """`12 nodes: 4 untolerated taint ..., 6 ephemeral-storage < 1Ti (largest 17Gi), 2 in use`, as the board stands."""
    reasons = [rejections(board, sort, unit.number) for sort in dict.fromkeys(unit.pods)]
    worst = max(reasons, key=lambda each: sum(each.values()))
    nodes = len(board.nodes)
    if not nodes:
        return "there is no node"
    parts = [f"{number} {text}" for text, number in worst.most_common(_SHOWN)]
    left = len(worst) - _SHOWN
    if left > 0:
        parts.append(f"{sum(number for _, number in worst.most_common()[_SHOWN:])} for {left} other reasons")
    fitting = nodes - sum(worst.values())
    if fitting:
        count = len(unit.pods)
        parts.append(f"{fitting} would take a pod, but a replica is {count} pods" if count > 1 else f"{fitting} fit")
    return f"{nodes} node{'s' if nodes > 1 else ''}: {', '.join(parts)}"


def rejections(board: Board, sort: Sort, unit: int = -2) -> Counter[str]:
    """Reason -> nodes that a pod may not go to for it; the first reason of each node."""
    found: Counter[str] = Counter()
    largest: dict[str, int] = {}
    for node in range(len(board.nodes)):
        reason = sort.refusals[node] or _short(board, sort, node, largest) or board.refuses(sort, node, unit)
        if reason:
            found[reason] += 1
    named: Counter[str] = Counter()
    for reason, number in found.items():
        most = f" (largest {shown(reason.split(' ')[0], largest[reason])})" if reason in largest else ""
        named[reason + most] += number
    return named


def _short(board: Board, sort: Sort, node: int, largest: dict[str, int]) -> str:
    """The first resource of which the node has too little: at all, or because it is in use."""
    for i, number in enumerate(sort.need):
        if board.free[node][i] >= number or not number:
            continue
        name = board.resources[i]
        whole = int((board.nodes[node].allocatable.get(name) or 0) * (1000 if name == "cpu" else 1))
        if board.start[node][i] >= number:
            return "taken by other pods of the recipe"
        if whole >= number:
            return f"{name} in use" if "/" not in name else "in use"
        if not whole:
            return f"no {name}"
        text = f"{name} < {shown(name, number)}"
        largest[text] = max(largest.get(text, 0), whole)
        return text
    return ""


def shown(resource: str, number: int) -> str:
    """A number of the board as a person writes it: `96Gi`, `16.5`, `8`."""
    if resource == "cpu":
        return f"{number / 1000:g}"
    if resource in ("memory", "ephemeral-storage") or resource.startswith("hugepages-"):
        return f"{number / _GI / 1024:.3g}Ti" if number >= 1024 * _GI else f"{number / _GI:.3g}Gi"
    return str(number)
