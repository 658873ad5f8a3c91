"""What autoscalers ask Prometheus for, over all paths: one series, of this release only, and never a silent zero.

Rules, with why: https://github.com/llm-d/llm-d/tree/main/guides/workload-autoscaling
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest

from llmdctl import assets
from llmdctl.errors import LlmdctlError
from llmdctl.helm import open_renderer
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import Catalog, compose
from llmdctl.values import build

CATALOG = Catalog.load([assets.paths()])
KEDA = ("keda-queue", "keda-saturation", "keda-token-aware", "optimizer")
PLANNER = ("autoscaling.planner.address=planner.example:9443",)
CELLS = [(path, scaler) for path in CATALOG.names("path") for scaler in KEDA]
SELECTOR = re.compile(r"[a-zA-Z_:]+\{([^}]*)\}")


@cache
def scaled_objects(path: str, scaler: str) -> tuple[Mapping[str, Any], ...]:
    """The specs of a cell's ScaledObjects; none where the cell is refused."""
    sets = PLANNER if scaler == "optimizer" else ()
    selection = Selection(path=path, autoscaler=scaler, metrics="prometheus-operator")
    try:
        recipe = compose(CATALOG, selection, Overrides(force=True, sets=sets))
    except LlmdctlError:
        return ()
    objects = open_renderer().render(build(recipe, name="r", namespace="n"), kube_version="1.34.0").objects
    return tuple(item["spec"] for item in objects if item["kind"] == "ScaledObject")


def queries(spec: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    for trigger in spec["triggers"]:
        if trigger["type"] == "prometheus":
            yield trigger, trigger["metadata"]["query"]


@pytest.mark.parametrize("scaler", KEDA)
def test_most_paths_can_be_scaled(scaler: str) -> None:
    assert sum(1 for path in CATALOG.names("path") if scaled_objects(path, scaler)) >= 8


@pytest.mark.parametrize(("path", "scaler"), CELLS)
def test_a_query_is_of_this_release_and_gives_one_series(path: str, scaler: str) -> None:
    for spec in scaled_objects(path, scaler):
        for trigger, query in queries(spec):
            selectors = SELECTOR.findall(query)
            assert selectors, query
            # A Thanos shows every tenant's series.
            assert all('namespace="n"' in selector for selector in selectors), query
            # An aggregation without `by` leaves one series without labels.
            assert re.match(r"(sum|max)\(", query), query
            # AverageValue divides by the replicas, so what is divided has to grow with them; Value multiplies.
            assert query.startswith("max(") == (trigger["metricType"] == "Value") or "kube_deployment" in query, query
            # KEDA takes no series for zero unless told otherwise, and would remove replicas when a scrape fails.
            assert trigger["metadata"]["ignoreNullValues"] == "false"


@pytest.mark.parametrize(("path", "scaler"), CELLS)
def test_zero_replicas_have_a_way_back(path: str, scaler: str) -> None:
    for spec in scaled_objects(path, scaler):
        if spec["minReplicaCount"] == 0:
            woken_by = {query for _, query in queries(spec) if "flow_control_queue_size" in query}
            assert woken_by, "only waiting requests say anything while there is no replica"


def test_a_peak_is_kept_whatever_prometheus_says() -> None:
    [spec] = scaled_objects("peak-provisioned", "keda-queue")
    assert spec["fallback"]["replicas"] == spec["minReplicaCount"] < spec["maxReplicaCount"]
    down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert down["stabilizationWindowSeconds"] == 3600  # Kubernetes' longest
    assert "pending" in spec["advanced"]["scalingModifiers"]["formula"]
