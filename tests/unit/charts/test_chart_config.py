"""The EndpointPickerConfig inside the ConfigMap, read back: every reference resolves, in both dialects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests import documents
from tests.unit.charts.cases import CHARTS, at, merged

DIALECTS: dict[str, dict[str, Any]] = {
    "0.9": {},
    "0.7": {
        "global": {"llmd": {"eppVersion": "0.7"}},
        "image": {"repository": "llm-d/llm-d-inference-scheduler", "tag": "v0.7.1"},
    },
}
SCORERS = (
    "prefix-cache",
    "queue",
    "kv-cache-utilization",
    "no-hit-lru",
    "active-request",
    "running-requests",
    "lora-affinity",
    "load-aware",
    "session-affinity",
)
INPUTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "disaggregated": {"handler": "disaggregated"},
    "by uncached tokens": {"handler": "disaggregated", "decider": {"type": "prefix-based", "nonCachedTokens": 512}},
    "sglang": at("global.llmd.engine", "sglang"),
    "every scorer": at(
        "profiles.default", {"scorers": {name: {"weight": 1.5} for name in SCORERS}, "picker": "weighted-random"}
    ),
    "two thresholds": {
        "handler": "disaggregated",
        "profiles": {
            role: {"scorers": {"load-aware": {"parameters": {"threshold": size}}}}
            for role, size in (("prefill", 64), ("decode", 32))
        },
    },
    "own plugin": {
        "extraPlugins": {"mine": {"type": "queue-scorer"}},
        "profiles": {"default": {"scorers": {"mine": {"weight": 2}}}},
    },
    "flow control": {
        "global": {"llmd": {"flowControl": True}},
        "flowControl": {
            "maxBytes": "1073741824",
            "priorityBands": {"low": {"priority": -1, "fairness": "round-robin", "ordering": "edf"}},
        },
    },
    "prefix index": at("prefixCache", {"autoTune": False, "blockSizeTokens": 64, "lruCapacityPerServer": 1_250_000}),
}
BUILT_IN = {"global-strict-fairness-policy", "fcfs-ordering-policy", "utilization-detector"}


@pytest.fixture(
    params=[(dialect, name) for dialect in DIALECTS for name in INPUTS], ids=lambda pair: f"{pair[0]}-{pair[1]}"
)
def config(request, render) -> Mapping[str, Any]:
    dialect, name = request.param
    objects = render(merged(DIALECTS[dialect], INPUTS[name]), chart=CHARTS / "scheduler")
    data = next(item["data"] for item in objects if item["kind"] == "ConfigMap" and "epp-config.yaml" in item["data"])
    loaded = documents.load(data["epp-config.yaml"])
    assert loaded["kind"] == "EndpointPickerConfig"
    return loaded


def _names(config: Mapping[str, Any]) -> list[str]:
    return [plugin.get("name", plugin["type"]) for plugin in config["plugins"]]


def _references(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name in ("pluginRef", "fairnessPolicyRef", "orderingPolicyRef"):
                yield value
            elif name == "deciders":
                yield from value.values()
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)


def test_names_are_unique_and_references_resolve(config) -> None:
    names = _names(config)
    assert len(names) == len(set(names))
    assert set(_references(config)) <= set(names) | BUILT_IN


def test_what_must_keep_its_type_as_name_does(config) -> None:
    """A named producer is ignored by its consumers, and a named metrics source is joined by a second one."""
    for plugin in config["plugins"]:
        if plugin["type"].endswith(("-producer", "-source", "-detector", "-extractor")):
            assert "name" not in plugin


def test_deciders_come_before_the_handler(config) -> None:
    types = [plugin["type"] for plugin in config["plugins"]]
    handlers = [index for index, kind in enumerate(types) if kind.endswith("profile-handler")]
    assert len(handlers) == 1
    assert all(index < handlers[0] for index, kind in enumerate(types) if kind.endswith("-decider"))


def test_every_profile_scores_and_picks_once(config) -> None:
    types = {plugin.get("name", plugin["type"]): plugin["type"] for plugin in config["plugins"]}
    for profile in config["schedulingProfiles"]:
        kinds = [types[entry["pluginRef"]] for entry in profile["plugins"]]
        assert sum(kind.endswith("-picker") for kind in kinds) == 1
        assert any(kind.endswith("-scorer") for kind in kinds)
        assert all(("weight" in entry) == types[entry["pluginRef"]].endswith("-scorer") for entry in profile["plugins"])


def test_every_declared_scorer_is_used(config) -> None:
    used = {entry["pluginRef"] for profile in config["schedulingProfiles"] for entry in profile["plugins"]}
    assert not [
        name
        for name, plugin in zip(_names(config), config["plugins"], strict=True)
        if plugin["type"].endswith("-scorer") and name not in used
    ]


def test_whole_numbers_stay_whole(render) -> None:
    """Helm reads 1250000 as a float, which Go's YAML would print as 1.25e+06 and the EPP refuses."""
    values = merged(INPUTS["prefix index"], at("objectives", {"premium": {"priority": 1_000_001}}))
    objects = render(values, chart=CHARTS / "scheduler")
    texts = [text for item in objects if item["kind"] == "ConfigMap" for text in item["data"].values()]
    assert any("lruCapacityPerServer: 1250000\n" in text for text in texts)
    assert not any("e+0" in text for text in texts)
