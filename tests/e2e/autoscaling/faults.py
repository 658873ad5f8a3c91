"""Ways in which autoscaling breaks unnoticed: what to change in a ScaledObject, and what must be said of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]
DOWN = "down"  # a Service of the test behind which nothing listens
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment"}


@dataclass(frozen=True)
class Fault:
    """`change` breaks the spec of a right ScaledObject, in place; `words` must all be in the verdict."""

    name: str
    title: str
    outcome: str
    words: tuple[str, ...]
    change: Callable[[Spec], None] = lambda _: None
    annotations: Mapping[str, str] | None = None
    epp: str = "0.9"
    of: tuple[str, ...] = ()  # entries of tests/cases/faults.yaml


def _queries(*texts: str) -> Callable[[Spec], None]:
    def change(spec: Spec) -> None:
        for trigger, text in zip(spec["triggers"], texts, strict=True):
            trigger["metadata"]["query"] = text

    return change


def _elsewhere(spec: Spec) -> None:
    """Series that nobody has: as if what runs had another version's names."""
    for trigger in spec["triggers"]:
        metadata = trigger["metadata"]
        metadata["query"] = metadata["query"].replace('{namespace="', '{namespace="not-')


def _address(address: str) -> Callable[[Spec], None]:
    def change(spec: Spec) -> None:
        for trigger in spec["triggers"]:
            trigger["metadata"]["serverAddress"] = address

    return change


def _unguarded(change: Callable[[Spec], None]) -> Callable[[Spec], None]:
    """The same without a fallback."""

    def both(spec: Spec) -> None:
        change(spec)
        del spec["fallback"]

    return both


def _most(replicas: int) -> Callable[[Spec], None]:
    def change(spec: Spec) -> None:
        spec["maxReplicaCount"] = replicas

    return change


def _no_target(spec: Spec) -> None:
    spec["scaleTargetRef"]["name"] = "nobody"


_PAUSED = {"autoscaling.keda.sh/paused": "true"}
_NO_HOST = "http://prometheus-operated.monitorin.svc.cluster.local:9090"
_NOBODY = f"http://{DOWN}.monitoring.svc.cluster.local:9090"

_NEW = "llm_d_epp_flow_control_queue_size, which EPP 0.7 does not have"
_NOTHING = _queries("nothing_at_all", "nothing_at_all")
_SYNTHETIC = "fallback's number"

FAULTS = (
    Fault("right", "A right ScaledObject under load", "pass", ("s0-prometheus", "40")),
    Fault("asleep", "A right ScaledObject at rest", "pass", ("at zero",), _queries("vector(0)", "vector(0)")),
    Fault(
        "names-of-another-version",
        "Its queries name metrics of another version of the picker, and a fallback hides it",
        "fail",
        (_NEW, _SYNTHETIC),
        _elsewhere,
        epp="0.7",
        of=("defect-21", "pain-1", "pain-9"),
    ),
    Fault(
        "names-of-another-version-unguarded",
        "Its queries name metrics of another version of the picker",
        "fail",
        (_NEW,),
        _unguarded(_elsewhere),
        epp="0.7",
        of=("defect-21", "pain-1", "pain-9"),
    ),
    Fault(
        "nothing-is-scraped",
        "Nothing is scraped, and a fallback hides it",
        "fail",
        ("no series", _SYNTHETIC),
        _NOTHING,
        of=("pain-9",),
    ),
    Fault(
        "nothing-is-scraped-unguarded",
        "Nothing is scraped",
        "fail",
        ("no series",),
        _unguarded(_NOTHING),
        of=("pain-9",),
    ),
    Fault(
        "prometheus-down",
        "Nobody listens where Prometheus should be, and a fallback hides it",
        "fail",
        (f"cannot be asked at {_NOBODY}", _SYNTHETIC),
        _address(_NOBODY),
        of=("pain-9",),
    ),
    Fault(
        "prometheus-down-unguarded",
        "Nobody listens where Prometheus should be",
        "fail",
        (f"cannot be asked at {_NOBODY}",),
        _unguarded(_address(_NOBODY)),
        of=("pain-9",),
    ),
    Fault(
        "address-of-nobody",
        "The address of Prometheus is misspelt",
        "fail",
        (f"cannot be asked at {_NO_HOST}",),
        _address(_NO_HOST),
        of=("pain-9",),
    ),
    Fault(
        "query-that-is-none",
        "A query that is no PromQL",
        "fail",
        ("cannot answer trigger queue", "parse error"),
        _queries("sum(", "vector(1)"),
        of=("pain-9",),
    ),
    Fault(
        "two-series",
        "A query that gives several series",
        "fail",
        ("cannot answer trigger queue", "one series"),
        _queries("up", "vector(1)"),
        of=("pain-9",),
    ),
    Fault(
        "no-workload",
        "The workload to be scaled is not there",
        "fail",
        ("does not accept", "nobody"),
        _no_target,
        of=("pain-9",),
    ),
    Fault(
        "one-query-fails",
        "One of two queries gives nothing",
        "fail",
        ("no series",),
        _unguarded(_queries("nothing_at_all", "vector(40)")),
        of=("pain-9",),
    ),
    Fault("paused", "It is paused", "warn", ("paused",), annotations=_PAUSED, of=("pain-9",)),
    Fault(
        "at-its-limit",
        "It wants more replicas than its limit",
        "warn",
        ("more than its 2 replicas",),
        _most(2),
        of=("pain-9",),
    ),
)


def made(fault: Fault, right: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A Deployment without anything in it, and a ScaledObject for it with the fault. `right` is a release's own."""
    spec = copy.deepcopy(dict(right["spec"]))
    namespace = right["metadata"]["namespace"]
    spec["scaleTargetRef"] = {**TARGET, "name": name}
    spec["advanced"]["horizontalPodAutoscalerConfig"]["name"] = name
    spec["fallback"]["failureThreshold"] = 1
    spec["pollingInterval"] = 2  # there are many at once
    fault.change(spec)
    labels = {"scaled": name}
    container = {"name": "idle", "image": "registry.k8s.io/pause:3.10"}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        },
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {"name": name, "namespace": namespace, "annotations": dict(fault.annotations or {})},
            "spec": spec,
        },
    ]
