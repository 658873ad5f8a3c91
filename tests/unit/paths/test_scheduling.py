"""Choices of the scheduler, as rendered: what engines, scheduler and objectives must agree on, they agree on."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import PurePosixPath
from typing import Any

import pytest

from llmdctl import assets
from llmdctl.errors import RecipeError
from llmdctl.helm import open_renderer
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import Catalog, compose
from llmdctl.values import build
from tests import documents

Manifest = dict[str, Any]


@cache
def catalog() -> Catalog:
    return Catalog.load([assets.paths()])


def rendered(*sets: str, **chosen: str) -> list[Manifest]:
    recipe = compose(catalog(), Selection(**chosen), Overrides(sets=sets))
    return list(open_renderer().render(build(recipe, name="pd", namespace="models")).objects)


def picker(objects: list[Manifest]) -> Manifest:
    (text,) = (found["data"]["epp-config.yaml"] for found in objects if "epp-config.yaml" in found.get("data", {}))
    return documents.load(text)


def plugin(configuration: Manifest, kind: str) -> Manifest:
    (found,) = (entry for entry in configuration["plugins"] if entry["type"] == kind)
    return found.get("parameters", {})


def engines(objects: list[Manifest]) -> dict[str, Manifest]:
    """Role -> the container of its engine."""
    found = {}
    for item in objects:
        labels = item["metadata"].get("labels", {})
        if item["kind"] == "Deployment" and labels["app.kubernetes.io/name"] == "modelserver":
            containers = item["spec"]["template"]["spec"]["containers"]
            found[labels["app.kubernetes.io/component"]] = containers[0]
    return found


def flag(container: Manifest, name: str) -> str:
    (value,) = (word.split("=", 1)[1] for word in container["args"] if word.startswith(f"--{name}="))
    return value


PRECISE = [
    {"path": "precise-prefix-cache"},
    {"path": "pd-disaggregation", "prefix_index": "precise"},
    {"path": "flow-control", "prefix_index": "precise"},
    {"path": "predicted-latency", "prefix_index": "precise"},
]
BOTH = [
    *((chosen, "0.9", "precise-prefix-cache-producer", "blockSizeTokens") for chosen in PRECISE),
    *((chosen, "0.7", "precise-prefix-cache-scorer", "blockSize") for chosen in PRECISE[:2]),
]


@pytest.mark.parametrize(("chosen", "version", "kind", "block"), BOTH, ids=str)
def test_engines_and_precise_index_agree(chosen: dict[str, str], version: str, kind: str, block: str) -> None:
    objects = rendered(f"global.llmd.eppVersion={version}", **chosen)
    index = plugin(picker(objects), kind)
    (pool,) = (found for found in objects if found["kind"] == "InferencePool")
    assert engines(objects)
    for role, container in engines(objects).items():
        assert int(flag(container, "block-size")) == index["tokenProcessorConfig"][block], role
        events = json.loads(flag(container, "kv-events-config"))
        port = index["kvEventsConfig"]["podDiscoveryConfig"]["socketPort"]
        assert events["endpoint"] == f"tcp://*:{port}"
        assert port in [entry["containerPort"] for entry in container["ports"]]
        prefix, pod, model = events["topic"].split("@")
        assert f"{prefix}@".startswith(index["kvEventsConfig"]["topicFilter"])
        assert pod == f"$(POD_IP):{pool['spec']['targetPorts'][0]['number']}", "an endpoint of the pool, not an engine"
        assert model == flag(container, "served-model-name")
        environment = {entry["name"]: entry.get("value") for entry in container["env"]}
        assert environment["PYTHONHASHSEED"] == index["tokenProcessorConfig"]["hashSeed"]


@pytest.mark.parametrize("chosen", PRECISE, ids=lambda chosen: chosen["path"])
def test_the_precise_index_asks_a_service_that_is_there(chosen: dict[str, str]) -> None:
    objects = rendered(**chosen)
    tokens = plugin(picker(objects), "token-producer")
    (service,) = (found for found in objects if found["kind"] == "Service" and found["metadata"]["name"] == "pd-render")
    assert tokens["vllm"]["url"] == f"http://pd-render:{service['spec']['ports'][0]['port']}"
    (render,) = (found for found in objects if found["kind"] == "Deployment" and "render" in found["metadata"]["name"])
    assert render["spec"]["template"]["spec"]["containers"][0]["args"][2] == tokens["modelName"]
    (image,) = (entry["image"] for entry in render["spec"]["template"]["spec"]["containers"])
    assert image.split(":")[-1] == next(iter(engines(objects).values()))["image"].split(":")[-1], "one chat template"


def test_the_precise_index_of_an_endpoint_picker_0_7_asks_the_socket_in_its_pod() -> None:
    objects = rendered("global.llmd.eppVersion=0.7", path="precise-prefix-cache")
    pool = plugin(picker(objects), "precise-prefix-cache-scorer")["indexerConfig"]["tokenizersPoolConfig"]
    (pod,) = (
        found["spec"]["template"]["spec"]
        for found in objects
        if found["kind"] == "Deployment" and found["metadata"]["name"] == "pd-epp"
    )
    (tokenizer,) = pod["initContainers"]
    shared = [
        {mount["mountPath"] for mount in container["volumeMounts"]} for container in (tokenizer, pod["containers"][0])
    ]
    assert str(PurePosixPath(pool["uds"]["socketFile"]).parent) in shared[0] & shared[1]
    assert pool["modelName"] == "Qwen/Qwen3-32B"
    assert not any("render" in found["metadata"]["name"] for found in objects)


@pytest.mark.parametrize("path", ["optimized-baseline", "pd-disaggregation"])
def test_all_endpoint_pickers_serve_with_a_precise_index(path: str) -> None:
    objects = rendered(path=path, prefix_index="precise")
    (deployment,) = (
        found for found in objects if found["kind"] == "Deployment" and found["metadata"]["name"] == "pd-epp"
    )
    assert deployment["spec"]["replicas"] == 2
    (epp,) = (entry for entry in deployment["spec"]["template"]["spec"]["containers"] if entry["name"] == "epp")
    assert "--ha-enable-leader-election=false" in epp["args"]


@pytest.mark.parametrize("path", ["optimized-baseline", "pd-disaggregation", "flow-control"])
def test_objectives_belong_to_the_pool_of_the_release_and_have_a_band(path: str) -> None:
    objects = rendered(path=path, flow_control="priorities")
    (pool,) = (found["metadata"]["name"] for found in objects if found["kind"] == "InferencePool")
    objectives = [found for found in objects if found["kind"] == "InferenceObjective"]
    assert len(objectives) == 3
    assert {found["spec"]["poolRef"]["name"] for found in objectives} == {pool}
    section = picker(objects)["flowControl"]
    assert {found["spec"]["priority"] for found in objectives} == {
        band["priority"] for band in section["priorityBands"]
    }
    assert "flowControl" in picker(objects)["featureGates"]


@pytest.mark.parametrize("scheduling", ["balanced", "latency", "throughput"])
@pytest.mark.parametrize("path", ["optimized-baseline", "pd-disaggregation"])
def test_each_role_has_its_profile(scheduling: str, path: str) -> None:
    objects = rendered(path=path, scheduling=scheduling)
    profiles = {entry["name"]: entry["plugins"] for entry in picker(objects)["schedulingProfiles"]}
    assert set(profiles) == ({"prefill", "decode"} if path == "pd-disaggregation" else {"default"})
    for name, plugins in profiles.items():
        references = [entry["pluginRef"] for entry in plugins]
        assert name == "default" or references[0] == f"{name}-filter"
        assert sum("weight" in entry for entry in plugins) >= 2


@pytest.mark.parametrize("scheduling", ["predicted-latency", "predicted-latency-slo", "session-affinity"])
def test_what_needs_pods_of_one_kind_is_refused_for_prefill_and_decode(scheduling: str) -> None:
    with pytest.raises(RecipeError, match="known to be bad"):
        rendered(path="pd-disaggregation", scheduling=scheduling)


@pytest.mark.parametrize(
    ("chosen", "version"),
    [
        ({"flow_control": "priorities"}, "0.7"),
        ({"scheduling": "latency"}, "0.7"),
        ({"scheduling": "predicted-latency"}, "0.7"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value.values())),
)
def test_a_choice_says_which_endpoint_picker_it_needs(chosen: dict[str, str], version: str) -> None:
    with pytest.raises(RecipeError) as refused:
        rendered(f"global.llmd.eppVersion={version}", path="optimized-baseline", **chosen)
    said = " ".join(str(problem) for problem in refused.value.problems) or str(refused.value)
    assert re.search(r"needs the endpoint picker 0\.9 or later", said)
