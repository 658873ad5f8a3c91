"""What a cluster says of its autoscalers, read as verify would read it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from llmdctl.errors import ClusterError
from llmdctl.prometheus import Prometheus, QueryError, over_http
from llmdctl.release.verify.scaling import Answered, Scaler
from llmdctl.release.verify.triggers import triggers
from llmdctl.sandbox.api import Api, NotFound, Resource

PODS = Resource(path="api/v1", plural="pods")
DEPLOYMENTS = Resource(path="apis/apps/v1", plural="deployments")
SCALED_OBJECTS = Resource(path="apis/keda.sh/v1alpha1", plural="scaledobjects")
HPAS = Resource(path="apis/autoscaling/v2", plural="horizontalpodautoscalers")
_EXTERNAL = "apis/external.metrics.k8s.io/v1beta1"
_LIMIT_S = 45.0  # on two busy cores; it is over in a few seconds on idle ones


def wait(
    what: str,
    holds: Callable[[], bool],
    *,
    limit_s: float = _LIMIT_S,
    pause_s: float = 0.2,
    why: Callable[[], object] = str,
) -> None:
    """Until `holds`; fails with `what`, and with what `why` says then."""
    end = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {limit_s:.0f} s: {why()}")
        time.sleep(pause_s)


def replicas(api: Api, namespace: str, name: str) -> tuple[int, int]:
    """How many a workload is to have, and how many are ready."""
    found = api.get(DEPLOYMENTS.url(name, namespace=namespace))
    return int(found["spec"]["replicas"]), int(found["status"].get("readyReplicas", 0))


def scaler(api: Api, namespace: str, name: str, *, prometheus: str, epp: str) -> Scaler:
    """Everything about one ScaledObject; what Prometheus answers only where its address is given."""
    item = _without_noise(api.get(SCALED_OBJECTS.url(name, namespace=namespace)), "ScaledObject")
    hpa = _found(api, item.get("status", {}).get("hpaName", name), namespace)
    answers = {}
    for trigger in triggers(item):
        # The address is one that only the cluster can resolve; what is behind the right one is asked directly.
        right = trigger.address.startswith("http://prometheus-operated.monitoring.svc")
        if prometheus:
            answered = _answer(prometheus, trigger.query) if right else _unreached(trigger.address)
            answers[trigger.name] = answered
    return Scaler(scaled_object=item, hpa=hpa, external=_external(api, hpa, namespace), answers=answers, epp=epp)


def _found(api: Api, name: str, namespace: str) -> dict[str, Any] | None:
    try:
        return _without_noise(api.get(HPAS.url(name, namespace=namespace)), "HorizontalPodAutoscaler")
    except NotFound:
        return None


def _answer(address: str, query: str) -> Answered:
    try:
        return Answered(value=Prometheus(over_http(address)).number(query))
    except QueryError as error:
        return Answered(error=error.message)


def _unreached(address: str) -> Answered:
    return Answered(error=f"{address} does not answer", reached=False)


def _external(api: Api, hpa: dict[str, Any] | None, namespace: str) -> dict[str, float | str]:
    found: dict[str, float | str] = {}
    for row in (hpa or {}).get("spec", {}).get("metrics", []):
        metric = row["external"]["metric"]
        labels = ",".join(f"{key}={value}" for key, value in metric["selector"]["matchLabels"].items())
        url = f"/{_EXTERNAL}/namespaces/{namespace}/{metric['name']}?labelSelector={labels}"
        try:
            found[metric["name"]] = sum(_number(item["value"]) for item in api.items(url))
        except ClusterError as error:
            found[metric["name"]] = error.message
    return found


def _number(quantity: str) -> float:
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def _without_noise(item: dict[str, Any], kind: str) -> dict[str, Any]:
    kept = {key: item["metadata"][key] for key in ("name", "namespace", "annotations") if key in item["metadata"]}
    rest = {key: item[key] for key in ("spec", "status") if key in item}
    return {"apiVersion": item.get("apiVersion", ""), "kind": kind, "metadata": kept, **rest}
