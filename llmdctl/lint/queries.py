"""PromQL expressions and metric names wherever an object of Kubernetes may hold them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llmdctl.lint.manifest import Manifest, Place, look, rows

EXPRESSION, EXTERNAL = "promql", "external"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Query:
    """One expression (`promql`), or one name of an external metric (`external`)."""

    manifest: Manifest
    place: Place
    text: str
    form: str


def queries_of(manifest: Manifest) -> Iterator[Query]:
    """The queries of a ScaledObject or ScaledJob, an HPA, a rule file or a dashboard."""
    if manifest.kind in ("ScaledObject", "ScaledJob"):
        yield from _triggers(manifest)
    elif manifest.kind == "HorizontalPodAutoscaler":
        yield from _external(manifest)
    elif manifest.kind in ("PrometheusRule", "ClusterRules", "Rules", "GlobalRules"):
        yield from _rules(manifest, ("spec", "groups"))
    elif manifest.kind == "ConfigMap":
        yield from _dashboards(manifest)


def _query(manifest: Manifest, place: Place, text: Any, form: str = EXPRESSION) -> Iterator[Query]:  # noqa: ANN401
    if isinstance(text, str) and text.strip():
        yield Query(manifest=manifest, place=place, text=text, form=form)


def _triggers(manifest: Manifest) -> Iterator[Query]:
    for index, trigger in enumerate(manifest.rows("spec", "triggers")):
        if look(trigger, "type") == "prometheus":
            place = ("spec", "triggers", index, "metadata", "query")
            yield from _query(manifest, place, look(trigger, "metadata", "query"))


def _external(manifest: Manifest) -> Iterator[Query]:
    for index, metric in enumerate(manifest.rows("spec", "metrics")):
        kind = {"External": "external", "Pods": "pods", "Object": "object"}.get(str(look(metric, "type")))
        if kind:
            place = ("spec", "metrics", index, kind, "metric", "name")
            yield from _query(manifest, place, look(metric, kind, "metric", "name"), EXTERNAL)


def _rules(manifest: Manifest, base: Place) -> Iterator[Query]:
    for group, entry in enumerate(manifest.rows(*base)):
        for index, rule in enumerate(rows(entry, "rules")):
            yield from _query(manifest, (*base, group, "rules", index, "expr"), look(rule, "expr"))


def _dashboards(manifest: Manifest) -> Iterator[Query]:
    """`expr` of every target in a Grafana dashboard that a ConfigMap holds."""
    for key, text in manifest.table("data").items():
        if not (isinstance(text, str) and str(key).endswith(".json") and '"panels"' in text):
            continue
        try:
            dashboard = json.loads(text)
        except ValueError:
            continue
        for found in _expressions(dashboard):
            yield from _query(manifest, ("data", str(key)), found)


def _expressions(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        if isinstance(value.get("expr"), str):
            yield value["expr"]
        for inner in value.values():
            yield from _expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _expressions(inner)
