"""Whether a node is one that a pod may go to at all: readiness, taints, selector, affinity, bound volumes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from llmdctl.preflight.node import Node, Taint

Item = Mapping[str, Any]
_CORDON = Taint(key="node.kubernetes.io/unschedulable", value="", effect="NoSchedule")


def refusal(node: Node, spec: Item, volumes: Iterable[Item] = ()) -> str:
    """Why the scheduler would not put a pod with this spec there, whatever is free; empty where it would.

    `volumes` are `nodeAffinity.required` of bound PersistentVolumes. A node that states no Ready condition is taken
    as ready: the scheduler itself goes by taints.
    https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
    https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/
    """
    stated = spec.get("nodeName")
    if stated and stated != node.name:
        return f"the pod names the node {stated}"
    tolerations = spec.get("tolerations")
    if node.cordoned and not _CORDON.tolerated(tolerations):
        return "cordoned"
    if node.conditions.get("Ready") in ("False", "Unknown"):
        return "not ready"
    for taint in node.repelling:
        if taint.key != _CORDON.key and not taint.tolerated(tolerations):
            return f"untolerated taint {taint}"
    return _unselected(node, spec) or _elsewhere(node, volumes)


def chosen(node: Node, spec: Item) -> bool:
    """Whether node selector and required node affinity take the node."""
    return not _unselected(node, spec)


def matches_any(terms: object, node: Node) -> bool:
    """Whether one of the nodeSelectorTerms holds; an empty term holds for nothing."""
    return any(_term(term, node) for term in _rows(terms))


def _unselected(node: Node, spec: Item) -> str:
    for key, value in (spec.get("nodeSelector") or {}).items():
        if node.labels.get(key) != str(value):
            return f"label {key} is not {value}"
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if isinstance(required, Mapping) and not matches_any(required.get("nodeSelectorTerms"), node):
        return f"node affinity: {_first_miss(required, node)}"
    return ""


def _first_miss(required: Item, node: Node) -> str:
    """The first requirement that the node misses."""
    for term in _rows(required.get("nodeSelectorTerms")):
        for row in _rows(term.get("matchExpressions")):
            if not _holds(row, node.labels):
                return f"not {_requirement(row)}"
        for row in _rows(term.get("matchFields")):
            if not _holds(row, {"metadata.name": node.name}):
                return f"not {_requirement(row)}"
    return "no term selects anything"


def _requirement(row: Item) -> str:
    values = ",".join(str(value) for value in row.get("values") or ())
    return " ".join(filter(None, (str(row.get("key")), str(row.get("operator")), values)))


def _elsewhere(node: Node, volumes: Iterable[Item]) -> str:
    for required in volumes:
        if not matches_any(required.get("nodeSelectorTerms"), node):
            return f"a bound volume is elsewhere: {_first_miss(required, node)}"
    return ""


def _term(term: Item, node: Node) -> bool:
    expressions, fields = tuple(_rows(term.get("matchExpressions"))), tuple(_rows(term.get("matchFields")))
    if not expressions and not fields:
        return False
    return all(_holds(row, node.labels) for row in expressions) and all(
        _holds(row, {"metadata.name": node.name}) for row in fields
    )


def _holds(row: Item, labels: Mapping[str, str]) -> bool:
    key, operator, values = str(row.get("key")), row.get("operator"), row.get("values") or ()
    value = labels.get(key)
    if operator == "In":
        return value in values
    if operator == "NotIn":
        return value not in values
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    return _ordered(value, operator, values)


def _ordered(value: str | None, operator: object, values: Iterable[object]) -> bool:
    """Gt and Lt compare whole numbers; what is none never matches."""
    try:
        have, bound = int(str(value)), int(str(next(iter(values), "")))
    except ValueError:
        return False
    return have > bound if operator == "Gt" else operator == "Lt" and have < bound


def _rows(rows: object) -> Iterator[Item]:
    for row in rows if isinstance(rows, (list, tuple)) else ():
        if isinstance(row, Mapping):
            yield row
