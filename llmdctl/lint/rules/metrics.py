"""Metric names and labels in queries, against what the endpoint pickers and engines among the manifests expose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.lint.epp import nearest_version
from llmdctl.lint.epp.remark import nearest
from llmdctl.lint.manifest import look
from llmdctl.lint.metric_names import (
    EPP_PREFIXES,
    TARGET_LABELS,
    Dialect,
    Metric,
    engine_metrics,
    engine_prefixes,
    epp_metrics,
    versions_with,
)
from llmdctl.lint.promql import Selector, selectors
from llmdctl.lint.queries import EXPRESSION, Query
from llmdctl.lint.rule import Code, codes
from llmdctl.lint.rules.epp_config import judged_as
from llmdctl.lint.world import Epp, World
from llmdctl.model.finding import Finding, Severity

_SOURCES: Final = (
    "Sources: https://github.com/llm-d/llm-d-router (names scraped from and found in each release), vLLM 0.32.0, "
    "SGLang 0.5.23, https://github.com/NVIDIA/TensorRT-LLM/blob/main/tensorrt_llm/metrics/collector.py."
)
CODES: Final[Mapping[str, Code]] = codes(
    (
        "LD1860",
        "Metric that does not exist",
        Severity.ERROR,
        f"The query is always empty: nothing scales, no alert fires. {_SOURCES}",
    ),
    (
        "LD1861",
        "Metric of an engine that does not run here",
        Severity.ERROR,
        f"Each engine has names of its own, so the query of another engine is always empty. {_SOURCES}",
    ),
    (
        "LD1862",
        "Label that the metric does not have",
        Severity.WARNING,
        f"A matcher on an absent label selects nothing. {_SOURCES}",
    ),
    (
        "LD1863",
        "Metric of something that is switched off",
        Severity.ERROR,
        f"The endpoint picker registers some metrics only with a feature gate, a plugin or a flag. {_SOURCES}",
    ),
    (
        "LD1864",
        "Deprecated metric",
        Severity.NOTE,
        f"It is a duplicate kept for older dashboards; the release names its successor. {_SOURCES}",
    ),
)

_SCALERS: Final = ("ScaledObject", "ScaledJob", "HorizontalPodAutoscaler")


def check(world: World) -> Iterator[Finding]:
    """Every metric of every query that belongs to the endpoint picker or to an engine."""
    recorded = frozenset(_records(world))
    for query in world.queries:
        found = selectors(query.text) if query.form == EXPRESSION else iter((Selector(metric=query.text),))
        for selector in dict.fromkeys(found):
            if selector.metric in recorded:
                continue
            if selector.metric.startswith(EPP_PREFIXES):
                yield from _of_epp(selector, query, world)
            else:
                yield from _of_engine(selector, query, world)


def _records(world: World) -> Iterator[str]:
    """Names that recording rules among the manifests make."""
    for manifest in world.of_kind("PrometheusRule", "Rules", "ClusterRules", "GlobalRules"):
        for group in manifest.rows("spec", "groups"):
            rules = look(group, "rules")
            for rule in rules if isinstance(rules, list) else ():
                name = look(rule, "record")
                if isinstance(name, str):
                    yield name


def _of_epp(selector: Selector, query: Query, world: World) -> Iterator[Finding]:
    judged = [judged_as(epp) for epp in world.epps]
    if not judged and world.versions.epp:
        judged = [nearest_version(world.versions.epp)]
    wanted = dict.fromkeys(version for version, _ in judged)
    dialects = [epp_metrics(version) for version in wanted]
    metric = next((dialect.series[selector.metric] for dialect in dialects if selector.metric in dialect.series), None)
    if metric is None:
        if judged or not versions_with(selector.metric):
            sure = not judged or any(exact for _, exact in judged)
            yield _absent(selector, query, dialects or [epp_metrics("0.10"), epp_metrics("0.9")], sure=sure)
        return
    yield from _labels(selector, metric, query)
    yield from _condition(metric, query, world)
    if metric.replaced_by:
        message = f"'{selector.metric}' is deprecated in EPP {dialects[0].version}."
        yield _finding("LD1864", query, message, f"Use {metric.replaced_by}.")


def _absent(selector: Selector, query: Query, dialects: list[Dialect], *, sure: bool) -> Finding:
    names = [name for dialect in dialects for name in dialect.series]
    others = versions_with(selector.metric)
    versions = ", ".join(dialect.version for dialect in dialects)
    message = f"EPP {versions} has no metric '{selector.metric}'."
    remedy = f"It is there in EPP {', '.join(others)}." if others else nearest(selector.metric, frozenset(names))
    return _finding("LD1860", query, message, remedy, None if sure else Severity.WARNING)


def _of_engine(selector: Selector, query: Query, world: World) -> Iterator[Finding]:
    engine = next((name for prefix, name in engine_prefixes().items() if selector.metric.startswith(prefix)), None)
    if engine is None or selector.metric.count(":") > 1:  # a recording rule from elsewhere
        return
    known = engine_metrics(engine)
    running = [found for found in world.engines if found.name == engine]
    metric = known.series.get(selector.metric)
    if metric is None:
        own = tuple(int(part) for part in known.version.split(".")[:2]) if "." in known.version else ()
        same = any(found.version[:2] == own for found in running if own)
        message = f"{engine} {known.version} has no metric '{selector.metric}'."
        remedy = nearest(selector.metric, frozenset(known.series))
        yield _finding("LD1860", query, message, remedy, None if same else Severity.WARNING)
        return
    if world.engines and not running and query.manifest.kind in _SCALERS:
        others = ", ".join(sorted({found.name for found in world.engines}))
        message = f"'{selector.metric}' is a metric of {engine}, and only {others} runs here."
        yield _finding("LD1861", query, message, "Use the metric of that engine.")
    yield from _labels(selector, metric, query)


def _labels(selector: Selector, metric: Metric, query: Query) -> Iterator[Finding]:
    if metric.labels is None:
        return
    for label in selector.labels:
        if label in metric.labels or label in TARGET_LABELS:
            continue
        part = next((own for own in metric.labels if label in own.split("_")), None)
        advice = f"Did you mean '{part}'?" if part else nearest(label, tuple(metric.labels))
        # Relabelling may add any label; only what looks like one of the program's own is surely a mistake.
        if advice or label in _own_labels():
            there = f"It has {', '.join(metric.labels)}." if metric.labels else "It has none of its own."
            message = f"'{selector.metric}' has no label '{label}': the query is empty."
            yield _finding("LD1862", query, message, advice or there)


def _own_labels() -> frozenset[str]:
    series = (metric for version in ("0.9", "0.10") for metric in epp_metrics(version).series.values())
    return frozenset(label for metric in series for label in metric.labels or ())


def _condition(metric: Metric, query: Query, world: World) -> Iterator[Finding]:
    known = [state for epp in world.epps if (state := _is_on(metric.condition, epp)) is not None]
    if not metric.condition or not known or any(known):
        return
    message = f"'{metric.name}' is not there: {_SPOKEN.get(metric.condition, metric.condition)}."
    severity = Severity.ERROR if query.manifest.kind in _SCALERS else Severity.WARNING
    yield _finding("LD1863", query, message, _ADVICE.get(metric.condition, ""), severity)


_GATE: Final = "flowControl gate"
_PRODUCER: Final = "needs precise-prefix-cache-producer"
_INDEX: Final = "only with KV index metrics enabled in plugin parameters"
_STREAM: Final = "needs --enable-grpc-stream-metrics"
_SPOKEN: Final = {
    _GATE: "the endpoint picker's feature gate flowControl is off",
    _PRODUCER: "the endpoint picker has no precise-prefix-cache-producer",
    _INDEX: "the metrics of the KV block index are off",
    _STREAM: "the endpoint picker runs without --enable-grpc-stream-metrics",
}
_ADVICE: Final = {
    _GATE: "Add flowControl to 'featureGates', or scale on another metric.",
    _PRODUCER: "Declare one.",
    _INDEX: "Set indexerConfig.kvBlockIndexConfig.enableMetrics of the producer.",
    _STREAM: "Set the flag.",
}


def _is_on(condition: str, epp: Epp) -> bool | None:
    """Whether what the metric needs is on; None when that cannot be told."""
    if condition == _STREAM:
        option = epp.line.find("--enable-grpc-stream-metrics")
        return option is not None and option.value != "false"
    if epp.config is None or epp.config.problem:
        return None
    source = epp.config.source
    if condition == _GATE:
        return any(gate in ("flowControl", "flowControl=true") for gate in source.rows("featureGates"))
    plugins = [plugin for plugin in source.rows("plugins") if _type(plugin).startswith("precise-prefix-cache-")]
    if condition == _PRODUCER:
        return bool(plugins)
    if condition == _INDEX:
        place = ("parameters", "indexerConfig", "kvBlockIndexConfig", "enableMetrics")
        return any(look(plugin, *place) is True for plugin in plugins)
    return None


def _type(plugin: Any) -> str:  # noqa: ANN401 - a row of the configuration
    found = look(plugin, "type")
    return found if isinstance(found, str) else ""


def _finding(code: str, query: Query, message: str, remedy: str = "", severity: Severity | None = None) -> Finding:
    return query.manifest.finding(CODES[code], query.place, message, remedy, severity=severity)
