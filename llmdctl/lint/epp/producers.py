"""Who makes the data that scorers and filters read, from 0.9 on: declared, created by default, or nobody.

A consumer takes the producer whose name its `...ProducerName` parameter gives, and by default the one that is called
as its type. A missing one of that name is created with default settings, for most consumers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmdctl.lint.epp.config import Config, Instance, named
from llmdctl.lint.epp.references import detector, spoken
from llmdctl.lint.epp.remark import Place, Remark, nearest, remark
from llmdctl.model.finding import Severity

# Scorers that read what the metrics source of the data layer brings.
_NEED_METRICS: Final = (
    "queue-scorer",
    "kv-cache-utilization-scorer",
    "lora-affinity-scorer",
    "running-requests-size-scorer",
)


def check(config: Config) -> Iterator[Remark]:
    """Producers, the metrics source and the detector; 0.7 has no producers by name."""
    if not config.catalogue.modern:
        return
    for instance in config.instances:
        yield from _named_ones(instance, config)
        yield from _required(instance, config)
        yield from _beside_a_default(instance, config)
    yield from _estimated_tokens(config)


def _named_ones(instance: Instance, config: Config) -> Iterator[Remark]:
    for shape, reference in named(instance, "producer"):
        found = config.by_name.get(reference.name)
        if found is None and reference.name != shape.default:
            checked = shape.ref_checked or _reads_predictor(instance, reference.path)
            tail = ": the EPP does not start" if checked else "; the EPP does not say so"
            message = f"No producer is called '{reference.name}'{tail}."
            declared = frozenset(producer.name for producer in config.of_kind("producer"))
            advice = (
                nearest(reference.name, declared) or f"Declare it, or leave the parameter out for '{shape.default}'."
            )
            severity = Severity.ERROR if checked else Severity.WARNING
            yield remark("LD1813", reference.path, message, advice, severity=severity)
        elif found and found.known and not {"producer", "extractor"} & set(found.kinds):
            message = f"'{reference.name}' is {spoken(found.known.kind)}, not a producer."
            yield remark("LD1815", reference.path, message)


def _reads_predictor(instance: Instance, path: Place) -> bool:
    """The affinity filter looks at its latency producer in one of its two modes only."""
    mode = instance.parameters.get("ttftSource")
    return path[-1] == "latencyPredictionInfoProducerName" and mode == "latencyPredictor"


def _required(instance: Instance, config: Config) -> Iterator[Remark]:
    named_by = {shape.default: reference.name for shape, reference in named(instance, "producer")}
    for needed in instance.known.requires_declared if instance.known else ():
        if named_by.get(needed, needed) in config.by_name or needed in named_by:  # a wrong name is said above
            continue
        message = f"'{instance.type}' needs a declared '{needed}', which nothing creates by itself."
        yield remark("LD1816", (*instance.path, "type"), message, f"Add '- type: {needed}' to 'plugins'.")


def _beside_a_default(instance: Instance, config: Config) -> Iterator[Remark]:
    """A plugin under its own name, while one of the default name does the work."""
    if not instance.renamed:
        return
    path = (*instance.path, "name")
    if instance.type == "metrics-data-source" and _injects(config) and instance.type not in config.by_name:
        message = f"'{instance.name}' is joined by a default '{instance.type}': every endpoint is scraped twice."
        advice = "Leave the name out, or set dataLayer.injectDefaults to false and declare all sources."
        yield remark("LD1817", path, message, advice)
    if instance.type == "utilization-detector" and instance.name not in config.in_profiles:
        acting = detector(config)
        if acting is None or acting.name != instance.name:
            message = f"'{instance.name}' is ignored: the saturation detector that acts has another name."
            yield remark("LD1817", path, message, f"Set flowControl.saturationDetector.pluginRef to '{instance.name}'.")
    if (
        "producer" in instance.kinds
        and instance.type in _created(config)
        and instance.name not in _wanted_names(config)
    ):
        other = "the one" if instance.type in config.by_name else "a default one"
        message = f"Nothing names '{instance.name}': consumers take {other} called '{instance.type}'."
        advice = "Name it in a consumer's '...ProducerName' parameter, or remove it."
        yield remark("LD1817", path, message, advice)


def _injects(config: Config) -> bool:
    layer = config.value.get("dataLayer")
    return not isinstance(layer, dict) or layer.get("injectDefaults") is not False


def _created(config: Config) -> frozenset[str]:
    """The producer types that somebody in this file wants, so that a default one is made where none has the name."""
    return frozenset(
        created for instance in config.instances if instance.known for created in instance.known.auto_creates
    )


def _wanted_names(config: Config) -> frozenset[str]:
    return frozenset(reference.name for instance in config.instances for _, reference in named(instance, "producer"))


def _estimated_tokens(config: Config) -> Iterator[Remark]:
    precise = [
        i for i in config.instances if i.type in ("precise-prefix-cache-producer", "precise-prefix-cache-scorer")
    ]
    real = [i for i in config.instances if i.type in ("token-producer", "tokenizer") and i.parameters.get("modelName")]
    if precise and not real:
        message = f"'{precise[0].name}' works on estimated tokens: their block hashes never match the engine's."
        advice = "Declare a token-producer with 'modelName' and the 'vllm.url' of a render service."
        yield remark("LD1829", precise[0].path, message, advice)


def needs_metrics(config: Config) -> tuple[Instance, ...]:
    """The plugins that fail at start in 0.10 when the data layer has no metrics source."""
    return tuple(instance for instance in config.instances if instance.type in _NEED_METRICS)
