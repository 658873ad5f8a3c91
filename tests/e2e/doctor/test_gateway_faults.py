"""Faults on the way through a Gateway, in objects that a real API server holds; no pod runs here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmdctl import kube
from llmdctl.model.check import Outcome
from llmdctl.model.hop import HopName
from llmdctl.sandbox.api import Resource
from tests.e2e.datapath.serving import llmdctl
from tests.e2e.doctor.seeded import GATEWAY, Seeded, assert_named_at_once
from tests.e2e.doctor.seeding import Patient, told
from tests.e2e.sandbox.objects import GATEWAYS, ROUTES, wait

RELEASE = "gw"
CLASSES = Resource(path="apis/gateway.networking.k8s.io/v1", plural="gatewayclasses")
TRUE, FALSE = {"status": "True", "reason": "As", "message": ""}, {"status": "False", "reason": "Invalid"}


@pytest.fixture(scope="module")
def patient(plane) -> Iterator[Patient]:
    namespace = plane.namespace("doctor")
    llmdctl(
        "install", "optimized-baseline", RELEASE, "-n", namespace, "--accelerator", "h200", "--gateway", "istio",
        "--role", "aggregate.replicas=1", "--timeout", "100", kubeconfig=Path(plane.kubeconfig),
    )  # fmt: skip
    cluster = kube.connect(kubeconfig=Path(plane.kubeconfig))
    yield Patient(api=plane.api, cluster=cluster, namespace=namespace, release=RELEASE)
    plane.empty(namespace)


@pytest.fixture(autouse=True)
def _well_before(patient: Patient) -> None:
    """What was broken before is mended, and the Gateway's controller has seen that."""
    wait("the route is taken up", lambda: _taken_up(patient))


def _taken_up(patient: Patient) -> bool:
    route = patient.get(ROUTES)
    parents = (route.get("status") or {}).get("parents") or []
    said = [condition for parent in parents for condition in parent["conditions"]]
    newest = route["metadata"]["generation"]
    return bool(said) and all(each["status"] == "True" and each["observedGeneration"] == newest for each in said)


def test_objects_are_right_and_of_engines_that_nobody_runs_nothing_is_known(patient: Patient) -> None:
    chain = patient.chain(request=True)
    assert chain.broken is not None, told(chain)
    assert chain.broken.name is HopName.REQUEST, f"nobody listens at a simulated address\n{told(chain)}"
    unknown = {hop.name for hop in chain.hops if hop.outcome is Outcome.UNKNOWN}
    assert unknown == {HopName.ENDPOINT, HopName.ENGINE}, told(chain)
    assert not chain.also, told(chain)


@pytest.mark.parametrize("fault", GATEWAY)
def test_the_way_through_a_gateway(patient: Patient, fault: str) -> None:
    assert_named_at_once(patient, GATEWAY[fault])


def test_a_gateway_that_is_not_programmed(patient: Patient) -> None:
    with _gateway(patient, patient.namespace, programmed=False):
        assert_named_at_once(patient, _through(patient.namespace, "not Programmed: Invalid: port 80 is taken"))


def test_a_listener_that_does_not_admit_the_namespace(patient: Patient, plane) -> None:
    elsewhere = plane.namespace("doctor")
    with _gateway(patient, elsewhere, programmed=True):
        assert_named_at_once(patient, _through(elsewhere, f"takes routes of {elsewhere} only"))


def _through(namespace: str, words: str) -> Seeded:
    """The route's parent is the other Gateway."""
    parents = {"spec": {"parentRefs": [{"name": "other", "namespace": namespace}]}}
    return Seeded("Another Gateway", ROUTES, "listener", words, patch=lambda _: parents)


@contextlib.contextmanager
def _gateway(patient: Patient, namespace: str, *, programmed: bool) -> Iterator[None]:
    """Another Gateway. No controller plays its class, so what is written into its status stays there."""
    klass, gateway = CLASSES.url(f"{namespace}-other"), GATEWAYS.url("other", namespace=namespace)
    version = {"apiVersion": "gateway.networking.k8s.io/v1"}
    patient.api.create(
        CLASSES.url(),
        {**version, "kind": "GatewayClass", "metadata": {"name": f"{namespace}-other"},
         "spec": {"controllerName": "example.com/nobody"}},
    )  # fmt: skip
    spec = {
        "gatewayClassName": f"{namespace}-other",
        "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}],
    }
    patient.api.create(
        GATEWAYS.url(namespace=namespace), {**version, "kind": "Gateway", "metadata": {"name": "other"}, "spec": spec}
    )
    state = TRUE if programmed else {**FALSE, "message": "port 80 is taken"}
    since = "2026-01-01T00:00:00Z"
    conditions = [{"type": "Accepted", **TRUE, "lastTransitionTime": since}]
    conditions.append({"type": "Programmed", **state, "lastTransitionTime": since})
    addresses = [{"type": "IPAddress", "value": "127.3.0.1"}]
    patient.api.merge(f"{gateway}/status", {"status": {"addresses": addresses, "conditions": conditions}})
    try:
        yield
    finally:
        patient.api.delete(gateway)
        patient.api.delete(klass)
