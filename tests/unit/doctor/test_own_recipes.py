"""Doctor finds nothing in what our own recipes render, where every pod of it is as its template says and answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from llmdctl import assets, helm
from llmdctl.model.hop import HEALTHY
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import Catalog, compose
from llmdctl.release.doctor import diagnose
from llmdctl.release.electing import elects
from llmdctl.values import build
from tests.unit.doctor.scenes import NAMESPACE, living

CATALOG = Catalog.load([assets.paths()])


@pytest.fixture(scope="module")
def renderer() -> helm.Renderer:
    return helm.open_renderer()


def objects(renderer: helm.Renderer, selection: Selection, *sets: str) -> list[dict[str, Any]]:
    """What is rendered, as an API server holds it: with a namespace, and the status of what a gateway takes up."""
    recipe = compose(CATALOG, selection, Overrides(sets=sets))
    rendered = renderer.render(build(recipe, name="demo", namespace=NAMESPACE)).objects
    found = [json.loads(json.dumps(obj)) for obj in rendered]
    for obj in found:
        obj["metadata"].setdefault("namespace", NAMESPACE)
    found += _shared(found)
    classes = [_class(obj) for obj in found if obj["kind"] == "Gateway"]
    return [_taken_up(obj) for obj in found] + classes


def _shared(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Gateways of other releases that routes of this one go through."""
    mine = {obj["metadata"]["name"] for obj in found if obj["kind"] == "Gateway"}
    parents = [parent for obj in found if obj["kind"] == "HTTPRoute" for parent in obj["spec"]["parentRefs"]]
    listener = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
    return [
        {
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
            "metadata": {"name": parent["name"], "namespace": parent.get("namespace", NAMESPACE)},
            "spec": {
                "gatewayClassName": "istio",
                "listeners": [{**listener, "name": parent.get("sectionName", "http")}],
            },
        }
        for parent in parents if parent["name"] not in mine
    ]  # fmt: skip


def _class(gateway: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass",
        "metadata": {"name": gateway["spec"]["gatewayClassName"]},
        "spec": {"controllerName": "example.com/controller"},
        "status": {"conditions": list(_conditions("Accepted"))},
    }  # fmt: skip


def _taken_up(obj: dict[str, Any]) -> dict[str, Any]:
    if obj["kind"] == "Gateway":
        listeners = [
            {"name": row["name"], "conditions": list(_conditions("Accepted", "Programmed", "ResolvedRefs"))}
            for row in obj["spec"]["listeners"]
        ]
        addresses = [{"type": "IPAddress", "value": "192.0.2.1"}]
        conditions = list(_conditions("Accepted", "Programmed"))
        obj["status"] = {"addresses": addresses, "listeners": listeners, "conditions": conditions}
    if obj["kind"] == "HTTPRoute":
        obj["status"] = {
            "parents": [
                {"parentRef": parent, "conditions": list(_conditions("Accepted", "ResolvedRefs"))}
                for parent in obj["spec"]["parentRefs"]
            ]
        }
    return obj


def _conditions(*kinds: str) -> Iterator[dict[str, str]]:
    yield from ({"type": kind, "status": "True", "reason": kind} for kind in kinds)


SELECTIONS = [
    *(Selection(path=path.name) for path in CATALOG.paths),
    Selection(path="pd-disaggregation", gateway="agentgateway"),
    Selection(path="pd-disaggregation", gateway="istio"),
    Selection(path="pd-disaggregation", gateway="gke", platform="gke"),
    Selection(path="optimized-baseline", engine="sglang"),
]


@pytest.mark.programs
@pytest.mark.parametrize(
    "selection", SELECTIONS, ids=lambda each: f"{each.path}-{each.gateway or each.engine or 'default'}"
)
def test_nothing_is_found(renderer: helm.Renderer, selection: Selection) -> None:
    found = diagnose(living(objects(renderer, selection), pool="demo"), namespace=NAMESPACE)
    said = [f"{hop.name.value} {hop.outcome.value}: {hop.saw}" for chain in found.chains for hop in chain.hops]
    assert len(found.chains) == 1
    assert found.exit_code == HEALTHY, said
    assert not found.chains[0].also, found.chains[0].also


@pytest.mark.programs
@pytest.mark.parametrize(
    ("sets", "elected"),
    [
        (("scheduler.replicas=2",), ["demo-epp"]),
        (("scheduler.replicas=2", "scheduler.leaderElection=false"), []),
        ((), []),
    ],
)
def test_pickers_of_which_one_is_elected_are_known_as_the_chart_renders_them(
    renderer: helm.Renderer, sets: tuple[str, ...], elected: list[str]
) -> None:
    found = objects(renderer, Selection(path="optimized-baseline"), *sets)
    assert [obj["metadata"]["name"] for obj in found if obj["kind"] == "Deployment" and elects(obj)] == elected
    scene = living(found, pool="demo")
    waiting = [obj for obj in scene.objects if obj["kind"] == "Pod" and obj["metadata"]["name"] == "demo-epp-7c9f-1"]
    for pod in waiting:  # as after its process was killed
        pod["status"]["conditions"][1]["status"] = "False"
        row = next(row for row in pod["status"]["containerStatuses"] if row["name"] == "epp")
        row.update(ready=False, restartCount=1, lastState={"terminated": {"exitCode": 137, "reason": "Error"}})
    (chain,) = diagnose(scene, namespace=NAMESPACE).chains
    assert chain.broken is None
    assert bool(chain.also) is bool(waiting and not elected)
