"""Whether the cluster would make the nodes that are missing: Karpenter's node pools, as far as they can be read."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from llmdctl.model.check import Outcome
from llmdctl.model.quantity import ACCELERATORS
from llmdctl.preflight.node import Taint
from llmdctl.preflight.requests import amounts

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case
    from llmdctl.preflight.workload import PodTemplate

Item = Mapping[str, Any]
_ACCELERATED: Final = ("p", "g", "trn", "inf")
"""Beginnings of AWS's families with accelerators: https://docs.aws.amazon.com/ec2/latest/instancetypes/ac.html"""


def growth(case: Case) -> str:
    """A sentence where node pools may grow by what is missing; empty where none does or nobody can tell."""
    pools = case.reading("node-pools")
    if case.placement.outcome is not Outcome.FAIL or not pools.known:
        return ""
    lost = {pod.role for pod in case.placement.pods if pod.node is None}
    from llmdctl.preflight.replicas import role_name

    missing = [template for template in case.workloads if role_name(template) in lost]
    names = []
    for template in missing:
        fitting = [pool for pool in pools.items if _may(pool, template)]
        if not fitting:
            return ""
        names.append(str(fitting[0]["metadata"]["name"]))
    return f"Karpenter may add nodes: NodePool {', '.join(dict.fromkeys(names))}." if names else ""


def _may(pool: Item, template: PodTemplate) -> bool:
    """Whether a pool's labels, taints and what is left of its limits allow the pods of a template."""
    inner = (pool.get("spec") or {}).get("template") or {}
    spec = inner.get("spec") or {}
    taints = (
        Taint(key=str(row.get("key")), value=str(row.get("value") or ""), effect=str(row.get("effect")))
        for row in spec.get("taints") or ()
    )
    if not all(taint.tolerated(template.spec.get("tolerations")) for taint in taints):
        return False
    return _labelled(inner, spec, template) and _within(pool, template) and _accelerated(spec, template)


def _labelled(inner: Item, spec: Item, template: PodTemplate) -> bool:
    """No label of the pool contradicts the selector; labels that device discovery sets later are not known yet."""
    labels = (inner.get("metadata") or {}).get("labels") or {}
    stated = {str(row.get("key")): row for row in spec.get("requirements") or ()}
    for key, value in (template.spec.get("nodeSelector") or {}).items():
        if key in labels and labels[key] != value:
            return False
        row = stated.get(key)
        if row is not None and row.get("operator") == "In" and value not in (row.get("values") or ()):
            return False
    return True


def _within(pool: Item, template: PodTemplate) -> bool:
    limits, used = amounts((pool.get("spec") or {}).get("limits")), amounts((pool.get("status") or {}).get("resources"))
    wanted = {name: number * template.replicas * template.per_replica for name, number in template.requests.items()}
    return all(limits[name] - used.get(name, Fraction(0)) >= wanted.get(name, 0) for name in limits)


def _accelerated(spec: Item, template: PodTemplate) -> bool:
    """A pool for pods with accelerators says so: by its GPU, or by machines of a family that has some."""
    if not any(name in ACCELERATORS for name in template.requests):
        return True
    for row in spec.get("requirements") or ():
        key, values = str(row.get("key")), tuple(str(value) for value in row.get("values") or ())
        if "-gpu" in key:
            return True
        of_machines = key.endswith(("instance-category", "instance-family", "instance-type"))
        if of_machines and row.get("operator") == "In" and any(value.startswith(_ACCELERATED) for value in values):
            return True
    return False
