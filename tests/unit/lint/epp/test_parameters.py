"""What built endpoint pickers said to every single parameter; and the shape of the data that the linter ships."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llmdctl.lint.epp import CODES, check_value
from llmdctl.lint.epp.catalogue import VERSIONS, Shape, catalogue, data

OBSERVED = json.loads((Path(__file__).parent / "data" / "observed.json").read_text(encoding="utf-8"))["versions"]
API = {"0.7": "inference.networking.x-k8s.io/v1alpha1"}

# The least that a plugin needs to be created, where that is more than nothing.
LEAST: dict[str, dict[str, Any]] = {
    "by-label": {"label": "a"},
    "k8s-notification-source": {"version": "v1", "kind": "Pod"},
    "file-discovery": {"path": "/etc/endpoints.yaml"},
    "multicluster-file-discovery": {"path": "/etc/endpoints.yaml"},
    "request-attribute-reporter": {"attributes": []},
    "session-id-producer": {"headerName": "x-s"},
    "endpoint-attribute-filter": {"attribute": "a", "algorithm": {"type": "threshold"}},
    "endpoint-attribute-scorer": {"attributeKey": "a", "algorithm": {"type": "linear_lower_is_better"}},
    "header-label-affinity-scorer": {"headerName": "a", "labelKey": "b"},
    "priority-holdback-policy": {"minCeiling": 0.5},
    "disaggregatedset-rollout-screener": {"scope": {}, "revisionGating": {}},
    "utilization-filter": {"conditions": []},
    "tokenizer": {"modelName": "m"},
    "precise-prefix-cache-scorer": {"indexerConfig": {"tokenizersPoolConfig": {"modelName": "m", "uds": {}}}},
}
# Files that must exist: not to be known from a configuration.
FILES = {("multicluster-metrics-data-source", name) for name in ("caCertPath", "clientCertPath", "clientKeyPath")}


def cases() -> list[tuple[str, str, str, str, str]]:
    found = []
    for version, plugins in OBSERVED.items():
        for plugin, said in plugins.items():
            for parameter, results in said.get("parameters", {}).items():
                found += [(version, plugin, parameter, value, result) for value, result in results.items()]
    return found


def config(version: str, plugin: str, parameters: dict[str, Any]) -> dict[str, Any]:
    known = catalogue(version).plugins
    entry = {"type": plugin, "parameters": parameters} if parameters else {"type": plugin}
    around = [{"type": "prefix-based-pd-decider"}] if plugin != "prefix-based-pd-decider" else []
    needed = [{"type": name} for name in known[plugin].requires_declared]
    names = (
        ("decode", "prefill") if "profile-handler" in known[plugin].kinds and "single" not in plugin else ("decode",)
    )
    return {
        "apiVersion": API.get(version, "llm-d.ai/v1alpha1"),
        "kind": "EndpointPickerConfig",
        "plugins": [{"type": "queue-scorer"}, *around, *needed, entry] if plugin != "queue-scorer" else [entry],
        "schedulingProfiles": [{"name": name, "plugins": [{"pluginRef": "queue-scorer"}]} for name in names],
    }


def least(version: str, plugin: str) -> dict[str, Any]:
    if version != "0.7" and plugin in ("tokenizer", "precise-prefix-cache-scorer"):
        return {}
    return LEAST.get(plugin, {})


def errors(version: str, plugin: str, parameters: dict[str, Any]) -> list[str]:
    verdict = check_value(config(version, plugin, parameters), version, allow_alpha=True)
    at_plugin = [item for item in verdict.remarks if item.is_error and item.code != "LD1824"]
    return [f"{item.code} {item.path} {item.message}" for item in at_plugin]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_observed_parameter_value(version: str) -> None:
    wrong = []
    for where, plugin, parameter, text, result in cases():
        if where != version or (plugin, parameter) in FILES:
            continue
        value = json.loads(text.replace("'", '"'))
        said = errors(version, plugin, {**least(version, plugin), parameter: value})
        if bool(said) != (result == "rejected"):
            wrong.append((plugin, parameter, text, result, said))
    assert not wrong


@pytest.mark.parametrize("version", VERSIONS)
def test_plugins_without_parameters_with_the_least_and_with_an_unknown_one(version: str) -> None:
    wrong = []
    for plugin, said in OBSERVED[version].items():
        known = catalogue(version).plugins[plugin]
        tries = {
            "without_parameters": {},
            "minimal_valid": least(version, plugin),
            "unknown_parameter": {**least(version, plugin), "zzUnknown": 1},
        }
        if known.requires_declared:
            tries = {}  # they were tried without what they need
        for name, parameters in tries.items():
            observed = said["plugin"].get(name)
            if observed not in ("accepted", "rejected"):
                continue
            found = errors(version, plugin, parameters)
            if bool(found) != (observed == "rejected"):
                wrong.append((plugin, name, observed, found))
    assert not wrong


def test_there_are_as_many_observations_as_were_made() -> None:
    assert len(cases()) > 900


def test_the_shape_of_the_data() -> None:
    kinds = {"string", "integer", "number", "boolean", "object", "strings", "objects", "labels", "duration"}
    kinds |= {"nanoseconds", "quantity"}

    def shapes(table: dict[str, Shape]) -> list[Shape]:
        return [shape for entry in table.values() for shape in (entry, *shapes(dict(entry.fields)))]

    for version in VERSIONS:
        known = catalogue(version)
        assert known.release.startswith(version)
        assert known.source.startswith("https://github.com/llm-d/")
        every = shapes(dict(known.fields))
        for plugin in known.plugins.values():
            every += shapes({**plugin.parameters, **plugin.legacy})
            assert set(plugin.requires_declared) <= set(known.plugins)
            assert set(plugin.auto_creates) <= set(known.plugins)
        assert {shape.type for shape in every} <= kinds
        assert {shape.ref for shape in every} <= {"", "producer", "decider"}
    assert len(catalogue("0.7").plugins) == 42
    assert len(catalogue("0.9").plugins) == 71
    assert len(catalogue("0.10").plugins) == 97
    for targets in data()["renamed"]["types"].values():
        assert set(targets) <= set(catalogue("0.9").plugins)


def test_codes_are_told_apart() -> None:
    assert all(code == entry.code and entry.title and entry.doc for code, entry in CODES.items())
