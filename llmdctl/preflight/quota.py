"""What a recipe takes of a namespace's quota.

https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from llmdctl.model.quantity import exact
from llmdctl.preflight.requests import Amounts, amounts

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case
    from llmdctl.preflight.workload import PodTemplate

Item = Mapping[str, Any]
_SHORT: Final = {
    "Service": "services", "ConfigMap": "configmaps", "Secret": "secrets",
    "PersistentVolumeClaim": "persistentvolumeclaims", "ReplicationController": "replicationcontrollers",
}  # fmt: skip


def demand(case: Case, templates: Iterable[PodTemplate]) -> Amounts:
    """Name in a quota -> how much the recipe needs: what pods ask for and may use, and how many objects there are."""
    total: Amounts = {}
    for template in templates:
        pods = template.replicas * template.per_replica
        for name, number in _of_pod(template).items():
            total[name] = total.get(name, Fraction(0)) + number * pods
    for obj in case.objects:
        for name in _counted(obj):
            total[name] = total.get(name, Fraction(0)) + 1
        if obj.get("kind") == "PersistentVolumeClaim":
            asked = ((obj.get("spec") or {}).get("resources") or {}).get("requests") or {}
            total["requests.storage"] = total.get("requests.storage", Fraction(0)) + (exact(asked.get("storage")) or 0)
    return total


def selected_by(quota: Item, template: PodTemplate) -> bool:
    """Whether the scopes of a quota take these pods; servers never end, so they are NotTerminating."""
    spec = quota.get("spec") or {}
    rows = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    rows += (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    return all(_scope(row, template) for row in rows)


def _scope(row: Item, template: PodTemplate) -> bool:
    name = row.get("scopeName")
    if name in ("Terminating", "NotTerminating"):
        ends = template.spec.get("activeDeadlineSeconds") is not None
        return ends is (name == "Terminating")
    if name in ("BestEffort", "NotBestEffort"):
        asks = any(key in template.requests for key in ("cpu", "memory"))
        return asks is (name == "NotBestEffort")
    if name == "PriorityClass":
        stated, values = template.spec.get("priorityClassName") or "", row.get("values") or ()
        holds = {"In": stated in values, "NotIn": stated not in values, "Exists": bool(stated)}
        return holds.get(str(row.get("operator")), not stated)
    affinity = template.spec.get("affinity") or {}
    return name == "CrossNamespacePodAffinity" and any(
        "namespaces" in str(affinity.get(kind)) or "namespaceSelector" in str(affinity.get(kind))
        for kind in ("podAffinity", "podAntiAffinity")
    )


def _of_pod(template: PodTemplate) -> Amounts:
    found: Amounts = {"pods": Fraction(1), "count/pods": Fraction(1)}
    for name, number in template.requests.items():
        found[f"requests.{name}"] = number
        if name in ("cpu", "memory", "ephemeral-storage"):
            found[name] = number
    for container in template.spec.get("containers") or ():
        for name, number in amounts((container.get("resources") or {}).get("limits")).items():
            found[f"limits.{name}"] = found.get(f"limits.{name}", Fraction(0)) + number
    return found


def _counted(obj: Item) -> Iterable[str]:
    kind, group = str(obj.get("kind", "")), str(obj.get("apiVersion", "")).rpartition("/")[0]
    plural = kind.lower() + "s"
    yield f"count/{plural}.{group}" if group else f"count/{plural}"
    if kind in _SHORT:
        yield _SHORT[kind]
