"""Faults on the way through a Gateway, in objects that a real API server holds; no pod runs here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from llmdctl import kube
from llmdctl.model.check import Outcome
from llmdctl.model.hop import HopName
from tests.e2e.datapath.serving import llmdctl
from tests.e2e.doctor.seeded import GATEWAY, assert_named_at_once
from tests.e2e.doctor.seeding import Patient, told

pytestmark = pytest.mark.faults
RELEASE = "gw"


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
