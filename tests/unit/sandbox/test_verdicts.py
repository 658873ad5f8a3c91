"""What a gateway controller would say, case by case."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmdctl.sandbox.routing import judge
from llmdctl.sandbox.verdicts import Cluster, class_status, gateway_status, pool_status, route_status

POOL = "inference.networking.k8s.io"


def item(name, namespace="ns", **spec):
    return {"metadata": {"name": name, "namespace": namespace, "generation": 1}, "spec": spec}


def gateway(name="gw", namespace="ns", class_name="istio", **listener):
    listeners = [{"name": "http", "port": 80, **listener}]
    return item(name, namespace, gatewayClassName=class_name, listeners=listeners)


def route(parent=None, backend=None, namespace="ns"):
    refs = [parent or {"name": "gw"}]
    backends = [backend or {"group": POOL, "kind": "InferencePool", "name": "pool"}]
    return item("route", namespace, parentRefs=refs, rules=[{"backendRefs": backends}])


def by_key(*items):
    return {(one["metadata"].get("namespace", ""), one["metadata"]["name"]): one for one in items}


WHOLE = Cluster(
    controllers=frozenset({"istio.io/gateway-controller"}),
    classes=by_key(
        item("istio", "", controllerName="istio.io/gateway-controller"), item("mine", "", controllerName="me")
    ),
    gateways=by_key(gateway()),
    routes=by_key(route()),
    pools=by_key(item("pool", endpointPickerRef={"name": "epp"})),
    services=by_key(item("epp"), item("plain")),
)


def reasons(status):
    return [{found["type"]: found["reason"] for found in parent["conditions"]} for parent in status["parents"]]


def test_a_whole_release_is_accepted():
    assert gateway_status(WHOLE, gateway())["listeners"][0]["attachedRoutes"] == 0, "not the Gateway of the cluster"
    [known] = WHOLE.gateways.values()
    status = gateway_status(WHOLE, known)
    assert [found["type"] for found in status["conditions"]] == ["Accepted", "Programmed"]
    assert status["listeners"][0]["attachedRoutes"] == 1
    [one] = WHOLE.routes.values()
    assert reasons(route_status(WHOLE, one)) == [{"Accepted": "Accepted", "ResolvedRefs": "ResolvedRefs"}]
    [pool] = WHOLE.pools.values()
    assert reasons(pool_status(WHOLE, pool)) == [{"Accepted": "Accepted", "ResolvedRefs": "ResolvedRefs"}]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (route(parent={"name": "gw", "sectionName": "https"}), {"Accepted": "NoMatchingParent"}),
        (route(parent={"name": "gw", "port": 8080}), {"Accepted": "NoMatchingParent"}),
        (route(parent={"name": "gw", "namespace": "ns"}, namespace="other"), {"Accepted": "NotAllowedByListeners"}),
        (route(backend={"name": "absent"}), {"ResolvedRefs": "BackendNotFound"}),
        (route(backend={"name": "plain"}), {"ResolvedRefs": "ResolvedRefs"}),
        (route(backend={"name": "plain", "namespace": "other"}), {"ResolvedRefs": "RefNotPermitted"}),
        (route(backend={"group": "x", "kind": "Y", "name": "z"}), {"ResolvedRefs": "InvalidKind"}),
    ],
)
def test_a_route_that_is_wrong_is_told_why(changed, expected):
    [found] = reasons(route_status(WHOLE, changed))
    assert expected.items() <= found.items()


@pytest.mark.parametrize(
    "changed", [route(parent={"name": "absent"}), route(parent={"name": "svc", "kind": "Service", "group": ""})]
)
def test_a_route_without_a_gateway_of_ours_gets_no_answer(changed):
    assert route_status(WHOLE, changed) is None


def test_an_open_listener_takes_routes_of_all_namespaces():
    open_gateway = gateway(allowedRoutes={"namespaces": {"from": "All"}})
    cluster = replace(WHOLE, gateways=by_key(open_gateway))
    [found] = reasons(route_status(cluster, route(parent={"name": "gw", "namespace": "ns"}, namespace="other")))
    assert found["Accepted"] == "Accepted"


@pytest.mark.parametrize("class_name", ["mine", "absent"])
def test_a_gateway_of_somebody_else_gets_no_answer(class_name):
    assert gateway_status(WHOLE, gateway(class_name=class_name)) is None


def test_a_class_of_somebody_else_gets_no_answer():
    assert class_status(WHOLE, WHOLE.classes["", "mine"]) is None
    assert class_status(WHOLE, WHOLE.classes["", "istio"]) is not None


def test_a_pool_without_a_route_has_no_status_and_loses_the_one_it_had():
    [pool] = WHOLE.pools.values()
    lonely = replace(WHOLE, routes={})
    assert pool_status(lonely, pool) is None
    assert pool_status(lonely, pool | {"status": pool_status(WHOLE, pool)}) == {"parents": []}


def test_a_pool_whose_picker_is_missing_is_told_so():
    [pool] = WHOLE.pools.values()
    [found] = reasons(pool_status(replace(WHOLE, services={}), pool))
    assert found["ResolvedRefs"] == "InvalidExtensionRef"


def test_only_what_differs_is_written():
    addresses = [url for url, _ in judge(WHOLE)]
    assert len(addresses) == 4
    assert all(url.endswith("/status") for url in addresses)
    statuses = {url.split("/")[-2]: status for url, status in judge(WHOLE)}
    for kind in (WHOLE.classes, WHOLE.gateways, WHOLE.routes, WHOLE.pools):
        for (_, name), one in kind.items():
            if name in statuses:
                one["status"] = statuses[name]
    try:
        assert judge(WHOLE) == []
    finally:
        for kind in (WHOLE.classes, WHOLE.gateways, WHOLE.routes, WHOLE.pools):
            for one in kind.values():
                one.pop("status", None)
