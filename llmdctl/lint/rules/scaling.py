"""Autoscalers: what they scale, between which bounds, and by what they are woken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from llmdctl.lint.manifest import Manifest, look
from llmdctl.lint.queries import EXPRESSION
from llmdctl.lint.rule import codes
from llmdctl.lint.world import World, same_namespace
from llmdctl.model.finding import Finding, Severity

_KEDA: Final = "https://keda.sh/docs/latest/reference/scaledobject-spec/"

CODES = codes(
    (
        "LD1940",
        "Autoscaler of a workload that is not there",
        Severity.ERROR,
        f"It reports an error and scales nothing. {_KEDA}",
    ),
    (
        "LD1941",
        "Two autoscalers on one workload",
        Severity.ERROR,
        "Each sets the replicas that it wants, and they undo each other. "
        "https://keda.sh/docs/latest/concepts/scaling-deployments/",
    ),
    (
        "LD1942",
        "No way back from zero replicas",
        Severity.ERROR,
        "KEDA scales to minReplicaCount, which is 0 unless stated; metrics of model servers end with the last one, so "
        f"that no query asks for the first again. {_KEDA}#minreplicacount",
    ),
    (
        "LD1943",
        "Replicas stated for a workload that is scaled",
        Severity.WARNING,
        "Each apply sets the number back. https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/"
        "#migrating-deployments-and-statefulsets-to-horizontal-autoscaling",
    ),
    ("LD1944", "Bounds that exclude each other", Severity.ERROR, f"The autoscaler is refused or does nothing. {_KEDA}"),
    (
        "LD1946",
        "Query of a model or pool that is not there",
        Severity.ERROR,
        "The query returns nothing, so the workload is never scaled.",
    ),
)
_ENGINE_METRIC: Final = re.compile(r"\b(vllm[:_]|sglang[:_]|trtllm_|nv_trt_llm_|DCGM_|container_)")
_SCALERS: Final = ("ScaledObject", "HorizontalPodAutoscaler")
_LABEL: Final = re.compile(r'\b(model_name|target_model_name|inference_pool)\s*=\s*"([^"]*)"')


def check(world: World) -> Iterator[Finding]:
    targets: dict[tuple[str, str, str], Manifest] = {}
    for scaler in world.of_kind(*_SCALERS):
        if _owned(scaler):
            continue
        yield from _target(world, scaler, targets)
        yield from _bounds(scaler)
        if scaler.kind == "ScaledObject":
            yield from _wake(scaler)
    yield from _queries(world)


def _owned(scaler: Manifest) -> bool:
    """The HPA that KEDA makes for a ScaledObject."""
    owners = scaler.rows("metadata", "ownerReferences")
    return scaler.name.startswith("keda-hpa-") or any(look(owner, "kind") == "ScaledObject" for owner in owners)


def _reference(scaler: Manifest) -> tuple[str, str]:
    return scaler.text("spec", "scaleTargetRef", "kind") or "Deployment", scaler.text("spec", "scaleTargetRef", "name")


def _target(world: World, scaler: Manifest, targets: dict[tuple[str, str, str], Manifest]) -> Iterator[Finding]:
    kind, name = _reference(scaler)
    other = targets.setdefault((kind, scaler.namespace, name), scaler)
    if other is not scaler and name:
        message = f"{kind} {name} is scaled by this object and by {other.kind} {other.name}."
        remedy = "Keep one; a ScaledObject can have several triggers."
        yield scaler.finding(CODES["LD1941"], ("spec", "scaleTargetRef"), message, remedy)
    workload = world.named(kind, scaler.namespace, name)
    there = [item.name for item in world.of_kind(kind) if same_namespace(item.namespace, scaler.namespace)]
    if workload is None and there and name:
        message = f"There is no {kind} called {name}."
        place = ("spec", "scaleTargetRef", "name")
        remedy = f"There is {', '.join(there[:6])}."
        yield scaler.finding(CODES["LD1940"], place, message, remedy, severity=world.missing(name, there))
    elif workload is not None and isinstance(workload.get("spec", "replicas"), int) and not _live(workload):
        message = f"replicas is stated, and {scaler.kind} {scaler.name} scales this workload: each apply sets it back."
        yield workload.finding(CODES["LD1943"], ("spec", "replicas"), message, "Leave replicas out.")


def _live(workload: Manifest) -> bool:
    """Read from a cluster, where replicas always has a value."""
    return bool(workload.get("metadata", "uid") or workload.get("metadata", "resourceVersion"))


def _bounds(scaler: Manifest) -> Iterator[Finding]:
    low, high = (
        ("minReplicaCount", "maxReplicaCount") if scaler.kind == "ScaledObject" else ("minReplicas", "maxReplicas")
    )
    minimum, maximum = scaler.get("spec", low), scaler.get("spec", high)
    if isinstance(minimum, int) and isinstance(maximum, int) and minimum > maximum:
        message = f"{low} {minimum} is above {high} {maximum}."
        yield scaler.finding(CODES["LD1944"], ("spec", low), message, "Exchange them.")


def _wake(scaler: Manifest) -> Iterator[Finding]:
    minimum = scaler.get("spec", "minReplicaCount")
    if minimum not in (None, 0):
        return
    triggers = scaler.rows("spec", "triggers")
    queries = [look(trigger, "metadata", "query") for trigger in triggers]
    if not triggers or any(look(trigger, "type") != "prometheus" for trigger in triggers):
        return
    if not all(isinstance(query, str) and _only_engines(query) for query in queries):
        return
    place = ("spec", "minReplicaCount") if minimum == 0 else ("spec",)
    shown = "minReplicaCount is 0" if minimum == 0 else "minReplicaCount is not stated, which means 0"
    message = (
        f"{shown}, and every trigger asks for metrics of the model servers themselves: nothing brings the first back."
    )
    remedy = "State 1, or add a trigger on the endpoint picker's queue with flow control."
    yield scaler.finding(CODES["LD1942"], place, message, remedy)


def _only_engines(query: str) -> bool:
    return bool(_ENGINE_METRIC.search(query)) and not re.search(r"inference_|llm_d_|absent\(|envoy_|istio_", query)


def _queries(world: World) -> Iterator[Finding]:
    names = [engine.served_names for engine in world.engines]
    served = {name for some in names for name in some} if names and all(names) else set()
    served |= {name for engine in world.engines for name in engine.adapters}
    pools = {pool.name for pool in world.pools}
    for query in world.queries:
        if query.form != EXPRESSION or query.manifest.kind not in ("ScaledObject", "ScaledJob"):
            continue
        for label, value in _LABEL.findall(query.text):
            known = pools if label == "inference_pool" else served
            if known and value not in known:
                what = "pool" if label == "inference_pool" else "model"
                message = f'The query asks for {label}="{value}", and no {what} of that name is there.'
                listed = ", ".join(sorted(known))
                weight = world.missing(value, known)
                yield query.manifest.finding(
                    CODES["LD1946"], query.place, message, f"There is {listed}.", severity=weight
                )
