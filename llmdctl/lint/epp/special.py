"""What single plugin types ask of their parameters beyond types and ranges; all of it was seen with built binaries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from llmdctl.lint.epp.config import Config, Instance
from llmdctl.lint.epp.remark import Place, Remark, nearest, remark
from llmdctl.lint.epp.values import seconds
from llmdctl.model.finding import Severity

# Engines whose metric names are built in, by release: pkg/epp/framework/plugins/datalayer of the router.
ENGINES: Final[Mapping[str, tuple[str, ...]]] = {
    "0.7": ("vllm", "sglang"),
    "0.9": ("vllm", "sglang", "trtllm-serve", "triton-tensorrt-llm", "triton"),
    "0.10": ("vllm", "sglang", "trtllm-serve", "triton-tensorrt-llm", "triton"),
}


def check(instance: Instance, config: Config) -> Iterator[Remark]:
    """The rules of the plugin's own type."""
    rule = _RULES.get(instance.type)
    if rule:
        yield from rule(instance, config, (*instance.path, "parameters"))


def _tokens(instance: Instance, config: Config, path: Place) -> Iterator[Remark]:
    given = {name for name, value in instance.parameters.items() if value is not None}
    if not config.catalogue.modern:
        if "modelName" in given:
            message = "The EPP waits for a tokenizer behind a unix socket and exits 1 when none answers."
            advice = "Run the tokenizer beside it, or leave the plugin out."
            yield remark("LD1812", path, message, advice)
        return
    if "udsTokenizerConfig" in given:
        message = f"EPP {config.catalogue.version} refuses every form of 'udsTokenizerConfig'."
        yield remark(
            "LD1811", (*path, "udsTokenizerConfig"), message, "Give 'modelName' and 'vllm.url' of a render service."
        )
    if "estimate" in given and given & {"vllm", "modelName"}:
        yield remark("LD1811", path, "'estimate' excludes 'vllm' and 'modelName'.", "Keep one of the two forms.")
    if "vllm" in given and "modelName" not in given:
        yield remark("LD1811", path, "'vllm' needs 'modelName' beside it: the EPP does not start.", "Name the model.")
    if "modelName" in given and "vllm" not in given and "udsTokenizerConfig" not in given:
        message = "With 'modelName' alone a render service is expected at http://localhost:8000."
        yield remark("LD1812", path, message, "Give 'vllm.url'.")


def _precise(instance: Instance, config: Config, path: Place) -> Iterator[Remark]:
    indexer = _table(instance.parameters, "indexerConfig")
    pool = _table(indexer, "tokenizersPoolConfig")
    if not config.catalogue.modern and not pool.get("modelName"):
        message = "'indexerConfig.tokenizersPoolConfig.modelName' is missing: the EPP does not start."
        yield remark("LD1811", path, message)
    place = (*path, "indexerConfig", "tokenizersPoolConfig")
    if config.catalogue.modern and "tokenizersPoolConfig" in indexer:
        message = f"EPP {config.catalogue.version} refuses 'tokenizersPoolConfig'."
        yield remark("LD1811", place, message, "Declare a token-producer instead.")
    elif "tokenizersPoolConfig" in indexer and not isinstance(pool.get("uds"), Mapping):
        yield remark("LD1811", place, "'tokenizersPoolConfig' without 'uds' is refused.")
    ttl = instance.parameters.get("speculativeTTL")
    if instance.parameters.get("speculativeIndexing") is True and isinstance(ttl, str) and seconds(ttl) is None:
        yield remark("LD1810", (*path, "speculativeTTL"), f"'{ttl}' is no duration.", "Write one such as 2s.")
    yield from _block_size(instance, path)


def _block_size(instance: Instance, path: Place) -> Iterator[Remark]:
    tokens = _table(instance.parameters, "tokenProcessorConfig")
    old, new = tokens.get("blockSize"), tokens.get("blockSizeTokens")
    if isinstance(old, int) and isinstance(new, int) and old != new:
        message = f"'blockSize' says {old} and 'blockSizeTokens' says {new}."
        yield remark("LD1811", (*path, "tokenProcessorConfig"), message, "State it once.", severity=Severity.WARNING)


def _engines(instance: Instance, config: Config, path: Place) -> Iterator[Remark]:
    rows = instance.parameters.get("engineConfigs")
    own = [row.get("name") for row in (rows if isinstance(rows, list) else ()) if isinstance(row, Mapping)]
    known = (*ENGINES[config.catalogue.version], *(name for name in own if isinstance(name, str)))
    default = instance.parameters.get("defaultEngine")
    if isinstance(default, str) and default and default not in known:
        message = f"No engine '{default}' is built in or in 'engineConfigs': the EPP does not start."
        yield remark(
            "LD1810", (*path, "defaultEngine"), message, nearest(default, known) or f"There is {', '.join(known)}."
        )
    for index, name in enumerate(own):
        if name == "default":
            message = "'default' is a reserved engine name."
            yield remark("LD1810", (*path, "engineConfigs", index, "name"), message, "Choose another.")


def _label_selector(instance: Instance, _config: Config, path: Place) -> Iterator[Remark]:
    """https://pkg.go.dev/k8s.io/apimachinery/pkg/apis/meta/v1#LabelSelectorAsSelector"""
    rows = instance.parameters.get("matchExpressions")
    for index, row in enumerate(rows if isinstance(rows, list) else ()):
        operator, values = (row.get("operator"), row.get("values")) if isinstance(row, Mapping) else (None, None)
        place = (*path, "matchExpressions", index)
        if operator in ("Exists", "DoesNotExist") and values:
            yield remark("LD1810", place, f"The operator {operator} takes no values.", "Remove 'values'.")
        if operator in ("In", "NotIn") and not values:
            yield remark("LD1810", place, f"The operator {operator} needs values.", "Name them.")


def _stages(instance: Instance, _config: Config, path: Place) -> Iterator[Remark]:
    deciders = _table(instance.parameters, "deciders")
    named = deciders.get("prefill") or instance.parameters.get("prefillDeciderPluginName")
    if instance.parameters.get("stageOrder") == "prefill-first" and named:
        message = "The stage order prefill-first forbids a prefill decider."
        yield remark("LD1811", (*path, "stageOrder"), message, "Remove one of them.")


def _burst(instance: Instance, _config: Config, path: Place) -> Iterator[Remark]:
    most, block = instance.parameters.get("maxPrefixTokensToMatch"), instance.parameters.get("blockSizeTokens", 64)
    if isinstance(most, int) and isinstance(block, int) and 0 < most < block:
        message = f"'maxPrefixTokensToMatch' {most} is less than one block of {block} tokens."
        yield remark("LD1810", (*path, "maxPrefixTokensToMatch"), message, "Use 0 for no limit.")


def _ceilings(instance: Instance, _config: Config, path: Place) -> Iterator[Remark]:
    low, high = instance.parameters.get("minCeiling"), instance.parameters.get("maxCeiling", 1.0)
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
        yield remark("LD1810", path, f"'minCeiling' {low} is above 'maxCeiling' {high}.")


def _table(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}


_RULES: Final[Mapping[str, Callable[[Instance, Config, Place], Iterator[Remark]]]] = {
    "tokenizer": _tokens,
    "label-selector-filter": _label_selector,
    "by-label-selector": _label_selector,
    "token-producer": _tokens,
    "precise-prefix-cache-scorer": _precise,
    "precise-prefix-cache-producer": _precise,
    "core-metrics-extractor": _engines,
    "model-server-protocol-metrics": _engines,
    "disagg-profile-handler": _stages,
    "burst-prefix-cache-producer": _burst,
    "priority-holdback-policy": _ceilings,
}
