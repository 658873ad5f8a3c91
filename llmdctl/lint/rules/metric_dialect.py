"""Whether the endpoint picker can read the metrics of the engines it chooses among: names, path, and being on at all.

A scorer that reads nothing says nothing: every endpoint looks idle to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.lint.epp.catalogue import catalogue
from llmdctl.lint.epp.special import ENGINES
from llmdctl.lint.manifest import Manifest, look
from llmdctl.lint.metric_names import metrics_path
from llmdctl.lint.recognition import SGLANG, TRTLLM, VLLM, Engine
from llmdctl.lint.rule import Code, codes
from llmdctl.lint.rules.epp_config import judged_as
from llmdctl.lint.world import Epp, World
from llmdctl.model.finding import Finding, Severity

CODES: Final[Mapping[str, Code]] = codes(
    (
        "LD1867",
        "Endpoint picker reads the metric names of another engine",
        Severity.ERROR,
        "Queue and cache scorers then take every endpoint for idle. The engine is told by the pod label "
        "llm-d.ai/engine-type or by defaultEngine of core-metrics-extractor; 0.7 without its data layer reads vLLM "
        "names only. https://github.com/llm-d/llm-d-router/tree/v0.9.0/pkg/epp/framework/plugins/datalayer",
    ),
    (
        "LD1868",
        "Endpoint picker reads metrics at another path",
        Severity.ERROR,
        "trtllm-serve has its Prometheus metrics at /prometheus/metrics; at /metrics it answers JSON. "
        "https://nvidia.github.io/TensorRT-LLM/commands/trtllm-serve/trtllm-serve.html",
    ),
    (
        "LD1869",
        "Engine serves no metrics",
        Severity.ERROR,
        "SGLang has /metrics only with --enable-metrics, so that scorers and autoscaling read nothing. "
        "https://docs.sglang.ai/references/production_metrics.html",
    ),
)

_READERS: Final = frozenset(
    {
        "queue-scorer",
        "kv-cache-utilization-scorer",
        "running-requests-size-scorer",
        "load-aware-scorer",
        "lora-affinity-scorer",
        "utilization-detector",
    }
)
_NAMES: Final = {VLLM: "vllm", SGLANG: "sglang", TRTLLM: "trtllm-serve"}
_LABEL: Final = "llm-d.ai/engine-type"
_OLD_LABEL: Final = "inference.networking.k8s.io/engine-type"


def check(world: World) -> Iterator[Finding]:
    """For every EPP with a configuration and a pool: each engine that the pool selects."""
    for epp in world.epps:
        pool = world.pool_of(epp)
        if epp.config is None or epp.config.problem or pool is None:
            continue
        source = epp.config.source
        reader = next((kind for row in source.rows("plugins") if (kind := _type(row)) in _READERS), "")
        if not reader:
            continue
        for engine in _engines(world, pool):
            yield from _names(epp, source, engine, reader)
            yield from _path(epp, source, engine, reader)
            if engine.name == SGLANG and engine.line.complete and not engine.line.find("--enable-metrics", "--config"):
                message = f"SGLang runs without --enable-metrics, so '{reader}' reads nothing."
                yield engine.container.finding(CODES["LD1869"], ("args",), message, "Add --enable-metrics.")


def _engines(world: World, pool: Manifest) -> Iterator[Engine]:
    selector = pool.table("spec", "selector", "matchLabels") or pool.table("spec", "selector")
    for pod in world.selected(selector, pool.namespace):
        engine = world.engine_in(pod)
        if engine:
            yield engine


def _names(epp: Epp, source: Manifest, engine: Engine, reader: str) -> Iterator[Finding]:
    version, _ = judged_as(epp)
    wanted = _NAMES[engine.name]
    extractor = _plugin(source, "core-metrics-extractor", "model-server-protocol-metrics")
    configs = look(extractor, "parameters", "engineConfigs")
    own = [look(row, "name") for row in (configs if isinstance(configs, list) else ())]
    if wanted in own:
        return  # names of its own, which nobody knows
    if version == "0.7" and "dataLayer" not in source.rows("featureGates"):
        read, advice = "vllm", "Use EPP 0.9, or the data layer of 0.7 with a metrics extractor."
    else:
        read = _read_as(version, extractor, engine, own)
        advice = f"Label the pods {_LABEL}: {wanted}, or set defaultEngine of core-metrics-extractor to {wanted}."
    if read not in (wanted, *(name for name in own if isinstance(name, str))):
        message = f"'{reader}' reads the metric names of {read} here, and the pods run {wanted}: all look idle."
        yield engine.container.pod.workload.finding(
            CODES["LD1867"], (*engine.container.pod.place, "metadata", "labels"), message, advice
        )


def _read_as(version: str, extractor: Any, engine: Engine, own: list[Any]) -> str:  # noqa: ANN401 - a row of the configuration
    stated = look(extractor, "parameters", "engineLabelKey")
    keys = [stated] if isinstance(stated, str) else [_OLD_LABEL] if version == "0.7" else [_LABEL, _OLD_LABEL]
    labels = engine.container.pod.labels
    label = next((labels[key] for key in keys if isinstance(labels.get(key), str)), None)
    if label is not None and str(label) in (*ENGINES[version], *own):
        return str(label)
    default = look(extractor, "parameters", "defaultEngine")  # also of a label that the endpoint picker does not know
    return default if isinstance(default, str) and default else "vllm"


def _path(epp: Epp, source: Manifest, engine: Engine, reader: str) -> Iterator[Finding]:
    if epp.line.find("--model-server-metrics-path") or not catalogue(judged_as(epp)[0]).modern:
        return
    stated = look(_plugin(source, "metrics-data-source"), "parameters", "path")
    path = stated if isinstance(stated, str) and stated else "/metrics"
    wanted = metrics_path(engine.name)
    if path != wanted and engine.name == TRTLLM:
        message = f"'{reader}' reads {path}, and {_NAMES[engine.name]} has its metrics at {wanted}."
        advice = f"Declare metrics-data-source with 'path: {wanted}'."
        yield source.finding(CODES["LD1868"], ("plugins",), message, advice)


def _plugin(source: Manifest, *types: str) -> Any:  # noqa: ANN401 - a row of the configuration
    return next((row for row in source.rows("plugins") if _type(row) in types), None)


def _type(plugin: Any) -> str:  # noqa: ANN401 - a row of the configuration
    found = look(plugin, "type")
    return found if isinstance(found, str) else ""
