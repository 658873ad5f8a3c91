"""Which metrics the endpoint picker and the engines have: `lint/data/epp-metrics.json` and `engine-metrics.json`.

Both files name the public source and version of every list.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from llmdctl.lint.epp.catalogue import VERSIONS

EPP_PREFIXES: Final = (
    "llm_d_epp_",
    "llm_d_router_epp_",
    "llm_d_inference_scheduler_",
    "inference_pool_",
    "inference_objective_",
    "inference_extension_",
    "inference_model_",
)
"""Every prefix that a release of the endpoint picker or of its predecessors has used."""

# Labels that scraping adds, or a ServiceMonitor and kube-state-metrics commonly do.
TARGET_LABELS: Final = frozenset(
    {
        *("job", "instance", "namespace", "pod", "service", "container", "endpoint", "node", "cluster", "le"),
        *("quantile", "prometheus", "prometheus_replica", "app", "release", "location", "project_id"),
        *("top_level_controller_name", "top_level_controller_type", "exported_namespace", "exported_pod"),
    }
)
_SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "counter": ("_total", "_created"),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count", "_created"),
    "summary": ("", "_sum", "_count", "_created"),
    "any": ("", "_total", "_bucket", "_sum", "_count", "_created"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One metric family."""

    name: str
    type: str
    labels: tuple[str, ...] | None = None  # None: not known
    condition: str = ""  # what must be switched on for it to be there
    replaced_by: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    """What one program exposes. `series` maps each name that can be queried to its family."""

    program: str
    version: str
    source: str
    series: Mapping[str, Metric]


@cache
def epp_metrics(version: str) -> Dialect:
    """The metrics of a version of the endpoint picker."""
    raw = _json("epp-metrics.json")
    found = raw["versions"][version]
    return Dialect(
        program="EPP",
        version=raw["sources"][version]["version"],
        source=raw["sources"][version]["source"],
        series=_series({name: _epp_metric(name, entry) for name, entry in found.items()}),
    )


@cache
def engine_metrics(engine: str) -> Dialect:
    """The metrics of vllm, sglang or trtllm, of the one version that there is data for."""
    raw = _json("engine-metrics.json")[engine]
    families = {
        name: Metric(name=name, type=entry["type"], labels=tuple(entry["labels"]) if "labels" in entry else None)
        for name, entry in raw["metrics"].items()
    }
    return Dialect(program=engine, version=raw["version"], source=raw["source"], series=_series(families))


@cache
def engine_prefixes() -> Mapping[str, str]:
    """The prefix of an engine's metrics -> the engine."""
    return {entry["prefix"]: engine for engine, entry in _json("engine-metrics.json").items()}


@cache
def metrics_path(engine: str) -> str:
    """Where an engine serves its metrics."""
    return str(_json("engine-metrics.json")[engine]["path"])


def versions_with(series: str) -> tuple[str, ...]:
    """The versions of the endpoint picker that have a series of this name."""
    return tuple(version for version in VERSIONS if series in epp_metrics(version).series)


@cache
def _json(name: str) -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = json.loads((files("llmdctl.lint") / "data" / name).read_text(encoding="utf-8"))
    return loaded


def _epp_metric(name: str, entry: Mapping[str, Any]) -> Metric:
    return Metric(
        name=name,
        type=entry["type"],
        labels=tuple(entry["labels"]),
        condition=entry.get("condition", ""),
        replaced_by=entry.get("replaced_by", "") if entry.get("deprecated") else "",
    )


def _series(families: Mapping[str, Metric]) -> Mapping[str, Metric]:
    found: dict[str, Metric] = {}
    for name, metric in families.items():
        base = name.removesuffix("_total") if metric.type == "counter" else name
        for suffix in _SUFFIXES[metric.type]:
            found.setdefault(base + suffix, metric)
    return found
