"""The shared Gateway of model-as-a-service and the releases of models that attach to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from llmdctl import assets
from llmdctl.helm import open_renderer
from llmdctl.model.release import ReleaseSpec
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import Catalog, compose
from llmdctl.values import build
from tests import documents
from tests.unit.paths import data

FRONT = assets.paths() / "model-as-a-service" / "front.yaml"
CATALOG = Catalog.load([assets.paths()])
OFFERED = CATALOG.path("model-as-a-service").offers["gateway"]
PLATFORMS = {"gke": "gke", "gke-internal": "gke", "openshift-service-mesh": "openshift"}
Objects = dict[tuple[str, str], Mapping[str, Any]]


def by_name(spec: ReleaseSpec) -> Objects:
    objects = open_renderer().render(spec, kube_version="1.34.0").objects
    return {(item["kind"], item["metadata"]["name"]): item for item in objects}


def front(provider: str) -> Objects:
    values = data.read(FRONT) | {"provider": provider}
    chart = assets.charts() / "gateway"
    spec = ReleaseSpec(
        name="models", namespace="m", chart=chart, values=values, recipe="", facets={}, evidence="derived"
    )
    return by_name(spec)


def model(provider: str, name: str, model: str) -> Objects:
    selection = Selection(
        path="model-as-a-service", gateway=provider, model=model, platform=PLATFORMS.get(provider, "generic")
    )
    return by_name(build(compose(CATALOG, selection, Overrides()), name=name, namespace="m"))


def route(objects: Objects, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (objects.get(("HTTPRoute", name)) or objects[("AIGatewayRoute", name)])["spec"]
    return found


def asked_for(spec: Mapping[str, Any]) -> set[str]:
    return {match["headers"][0]["value"] for rule in spec["rules"] for match in rule["matches"]}


@pytest.mark.parametrize("provider", OFFERED)
def test_models_attach_to_the_shared_gateway_and_share_nothing_else(provider: str) -> None:
    shared = front(provider)
    first, second = model(provider, "small", "gpt-oss-20b"), model(provider, "large", "qwen3-32b")
    assert ("Gateway", "models") in shared
    assert not {kind for kind, _ in shared} & {"HTTPRoute", "AIGatewayRoute", "InferencePool"}
    assert not {kind for kind, _ in {**first, **second}} & {"Gateway", "EnvoyFilter", "GCPRoutingExtension"}
    # A model comes and goes with its own release: no object belongs to two.
    assert not (shared.keys() & first.keys() or shared.keys() & second.keys() or first.keys() & second.keys())
    for objects, name, wanted in ((first, "small", "openai/gpt-oss-20b"), (second, "large", "Qwen/Qwen3-32B")):
        spec = route(objects, name)
        assert spec["parentRefs"] == [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "models"}]
        assert asked_for(spec) == {wanted}
        assert {ref["name"] for rule in spec["rules"] for ref in rule["backendRefs"]} == {name}


@pytest.mark.parametrize("provider", OFFERED)
def test_something_reads_the_model_out_of_the_body(provider: str) -> None:
    shared = front(provider)
    routers = [item for (kind, _), item in shared.items() if kind == "Deployment"]
    match provider:
        case "istio" | "openshift-service-mesh":
            assert ("EnvoyFilter", "models-gateway") in shared
        case "gke" | "gke-internal":
            assert ("GCPRoutingExtension", "models-body-router") in shared
        case "agentgateway":
            assert ("AgentgatewayPolicy", "models-model") in shared
        case "envoy-ai-gateway":
            assert ("AIGatewayRoute", "small") in model(provider, "small", "gpt-oss-20b")
    wanted = data.versions()["images"]["bbr"]["default"]
    image = f"{wanted['registry']}/{wanted['repository']}:{wanted['tag']}"
    images = [item["spec"]["template"]["spec"]["containers"][0]["image"] for item in routers]
    assert images == ([image] if provider in ("istio", "openshift-service-mesh", "gke", "gke-internal") else [])


def test_the_release_of_a_model_names_the_gateway_that_front_makes() -> None:
    recipe = data.recipes()["model-as-a-service"]
    assert recipe["values"]["gateway"]["name"] == data.read(FRONT)["name"]
    assert recipe["defaults"]["gateway"] == data.read(FRONT)["provider"]


def test_a_sleeping_model_is_woken_by_a_request_that_may_wait_as_long_as_it_loads() -> None:
    objects = model("istio", "small", "gpt-oss-20b")
    scaled = objects[("ScaledObject", "small-aggregate")]["spec"]
    assert scaled["minReplicaCount"] == 0
    assert "replicas" not in objects[("Deployment", "small-aggregate")]["spec"]
    queue = next(trigger for trigger in scaled["triggers"] if trigger["name"] == "queue")
    assert queue["metricType"] == "AverageValue"  # with Value there is nothing to multiply at zero replicas
    config = documents.load(objects[("ConfigMap", "small-epp")]["data"]["epp-config.yaml"])
    assert "flowControl" in config["featureGates"]
    startup = objects[("Deployment", "small-aggregate")]["spec"]["template"]["spec"]["containers"][0]["startupProbe"]
    longest_s = startup["periodSeconds"] * startup["failureThreshold"]
    assert int(config["flowControl"]["defaultRequestTTL"].removesuffix("s")) >= longest_s
