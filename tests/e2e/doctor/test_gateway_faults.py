"""Faults on the way through a Gateway, in objects that a real API server holds; no pod runs here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from llmdctl import kube
from llmdctl.model.check import Outcome
from llmdctl.model.hop import HopName
from llmdctl.sandbox.api import Resource
from tests.e2e.datapath.serving import llmdctl
from tests.e2e.doctor.seeding import Patient, told
from tests.e2e.sandbox.objects import GATEWAYS, POOLS, ROUTES

pytestmark = pytest.mark.faults
RELEASE = "gw"
RULES = Resource(path="apis/networking.istio.io/v1beta1", plural="destinationrules")


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


def _backend(**change: Any) -> Callable[[Patient], dict[str, Any]]:
    def patch(patient: Patient) -> dict[str, Any]:
        spec = patient.api.get(ROUTES.url(RELEASE, namespace=patient.namespace))["spec"]
        rule = spec["rules"][0]
        return {"spec": {"rules": [{**rule, "backendRefs": [{**rule["backendRefs"][0], **change}]}]}}

    return patch


def _parent(**change: Any) -> Callable[[Patient], dict[str, Any]]:
    def patch(patient: Patient) -> dict[str, Any]:
        spec = patient.api.get(ROUTES.url(RELEASE, namespace=patient.namespace))["spec"]
        return {"spec": {"parentRefs": [{**spec["parentRefs"][0], **change}]}}

    return patch


def _tls(patient: Patient) -> dict[str, Any]:
    spec = patient.api.get(GATEWAYS.url(RELEASE, namespace=patient.namespace))["spec"]
    tls = {"mode": "Terminate", "certificateRefs": [{"name": "no-such-certificate"}]}
    return {"spec": {"listeners": [{**spec["listeners"][0], "protocol": "HTTPS", "port": 443, "tls": tls}]}}


FAULTS: Mapping[str, tuple[Resource, Callable[[Patient], dict[str, Any]], str, str]] = {
    "gateway": (ROUTES, _parent(name="nobody"), "address", "it is not there"),
    "section": (ROUTES, _parent(sectionName="https"), "listener", "no listener https"),
    "certificate": (GATEWAYS, _tls, "listener", "the Secret no-such-certificate"),
    "pool-name": (ROUTES, _backend(name="gww"), "route", "InferencePool gww, which is not there"),
    "pool-group": (ROUTES, _backend(group="inference.networking.x-k8s.io"), "route", "one"),
    "weight": (ROUTES, _backend(weight=0), "route", "weight 0"),
    "target-port": (POOLS, lambda _: {"spec": {"targetPorts": [{"number": 8099}]}}, "pool", "8099"),
}


def test_nothing_is_broken_before_the_engines_which_nobody_runs_here(patient: Patient) -> None:
    chain = patient.chain(request=True)
    early = [hop for hop in chain.hops if hop.name not in (HopName.ENGINE, HopName.MODEL, HopName.REQUEST)]
    assert not [hop for hop in early if hop.outcome is Outcome.FAIL], told(chain)
    assert not chain.answered, "no container runs on a simulated node, so nothing may look served"
    assert not chain.also, told(chain)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_way_through_a_gateway(patient: Patient, fault: str) -> None:
    resource, patch, hop, words = FAULTS[fault]
    with patient.changed(resource, RELEASE, patch(patient)):
        chain = patient.chain()
        assert chain.broken is not None, told(chain)
        assert chain.broken.name.value == hop, told(chain)
        assert words in f"{chain.broken.saw} {chain.broken.expected}", told(chain)


def test_a_picker_with_tls_that_istio_is_not_told_of(patient: Patient) -> None:
    with patient.without(RULES, f"{RELEASE}-epp"):
        chain = patient.chain()
        assert chain.broken is not None, told(chain)
        assert "no DestinationRule" in chain.broken.saw, told(chain)
