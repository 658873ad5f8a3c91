"""Faults seeded into a release that really serves: kubelet, picker, proxy, sidecar and engine say what they say."""

from __future__ import annotations

import contextlib
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from llmdctl import kube
from llmdctl.errors import ClusterError
from tests.e2e.datapath.serving import QUICK, llmdctl
from tests.e2e.doctor.healthy import assert_healthy
from tests.e2e.doctor.seeded import ENGINES, OBJECTS, PICKERS, assert_named_at_once
from tests.e2e.doctor.seeding import Patient, told
from tests.e2e.sandbox.objects import PODS, wait

pytestmark = pytest.mark.faults
RELEASE = "doc"
ENGINE_PORT = 8200  # of a decode pod: the sidecar stands before it


@pytest.fixture(scope="module")
def patient(real_node) -> Iterator[Patient]:
    namespace = real_node.namespace("doctor")
    llmdctl(
        "install", "pd-disaggregation", RELEASE, "-n", namespace, "--accelerator", "h200", "-f", str(real_node.values),
        *QUICK, "--role", "prefill.replicas=1", "--role", "decode.replicas=1", "--timeout", "100",
        kubeconfig=Path(real_node.kubeconfig),
    )  # fmt: skip
    cluster = kube.connect(kubeconfig=Path(real_node.kubeconfig))
    yield Patient(api=real_node.api, cluster=cluster, namespace=namespace, release=RELEASE)
    real_node.empty(namespace)


@pytest.fixture(autouse=True, scope="module")
def _well_before(patient: Patient) -> None:
    assert_healthy(patient.cluster, patient.namespace, RELEASE)


def test_the_bundle_of_a_release_that_serves_holds_its_proofs(patient: Patient, real_node, tmp_path: Path) -> None:
    file, kubeconfig = tmp_path / "bundle.tar.gz", Path(real_node.kubeconfig)
    llmdctl("doctor", RELEASE, "-n", patient.namespace, "--support-bundle", str(file), kubeconfig=kubeconfig)
    with tarfile.open(file) as tar:
        read = tar.extractfile(f"llmdctl-support/verify/{patient.namespace}/{RELEASE}.json")
        assert read is not None
        report = json.load(read)
    outcomes = {proof["code"]: proof["outcome"] for proof in report["proofs"]}
    assert "fail" not in outcomes.values(), report
    assert outcomes["LV0501"] == "pass", "prefill ran remotely"


@pytest.mark.parametrize("fault", OBJECTS)
def test_objects_that_do_not_meet(patient: Patient, fault: str) -> None:
    assert_named_at_once(patient, OBJECTS[fault])


def test_a_model_that_nobody_serves(patient: Patient) -> None:
    chain = patient.chain(model="nobody")
    assert chain.broken is not None
    assert chain.broken.name.value == "model", told(chain)


def _decode(patient: Patient) -> str:
    pods = patient.api.items(PODS.url(namespace=patient.namespace))
    return next(
        pod["metadata"]["name"]
        for pod in pods
        if pod["metadata"]["labels"].get("llm-d.ai/role") == "decode" and "deletionTimestamp" not in pod["metadata"]
    )


@contextlib.contextmanager
def _struck(patient: Patient, pod: str, fault: str) -> Iterator[None]:
    """A fault switch of the simulated engine."""
    _post(patient, pod, "/_llmdctl/faults", {fault: True})
    try:
        yield
    finally:
        _post(patient, pod, "/_llmdctl/faults", {fault: False})


def _post(patient: Patient, pod: str, path: str, body: Mapping[str, Any]) -> None:
    headers = {"content-type": "application/json"}
    data = json.dumps(body).encode()
    patient.cluster.pods.request(patient.namespace, pod, ENGINE_PORT, "POST", path, body=data, headers=headers)


def test_an_engine_that_hangs_with_requests_in_work(patient: Patient) -> None:
    pod = _decode(patient)
    request = {"model": "openai/gpt-oss-120b", "prompt": "Hello", "max_tokens": 4}

    def ask() -> None:
        with contextlib.suppress(ClusterError):  # that it gets no answer is the fault
            _post(patient, pod, "/v1/completions", request)

    with _struck(patient, pod, "hang"):
        asking = threading.Thread(target=ask)
        asking.start()
        chain = patient.until("engine", "hung", limit_s=12)
    asking.join()
    assert chain.broken is not None
    assert any("delete pod" in entry for entry in chain.broken.remedy)


def test_an_engine_that_is_ready_and_not_well(patient: Patient) -> None:
    with _struck(patient, _decode(patient), "unhealthy"):
        patient.until("engine", "answers /health with 503", limit_s=5)


@pytest.mark.parametrize("fault", ENGINES)
def test_engines_that_do_not_come_up(patient: Patient, fault: str) -> None:
    """One after the other, without waiting for the rollout back in between."""
    with ENGINES[fault].into(patient):
        patient.until(ENGINES[fault].hop, ENGINES[fault].words)


PAIRS = {
    "pool and engine": (OBJECTS["target-port"], ENGINES["secret"]),
    "picker and engine": (OBJECTS["picker-port"], ENGINES["flag"]),
}


def _beside(patient: Patient, hop: str, words: str) -> bool:
    """Between two starts of a container its cause is not in its log for a moment."""
    chain = patient.chain()
    assert chain.broken is not None
    assert chain.broken.name.value == hop, told(chain)
    return any(words in found.message for found in chain.also)


@pytest.mark.parametrize("pair", PAIRS)
def test_of_two_faults_the_first_hop_is_named_and_the_other_is_not_hidden(patient: Patient, pair: str) -> None:
    first, second = PAIRS[pair]
    with second.into(patient):
        patient.until(second.hop, second.words)
        with first.into(patient):
            patient.until(first.hop, first.words)
            wait("the other beside it", lambda: _beside(patient, first.hop, second.words), limit_s=30)


@pytest.mark.parametrize("fault", PICKERS)
def test_pickers_and_proxies_that_do_not_come_up(patient: Patient, fault: str) -> None:
    with PICKERS[fault].into(patient):
        _again(patient)
        patient.until(PICKERS[fault].hop, PICKERS[fault].words)


def test_with_every_fault_taken_back_it_serves(patient: Patient) -> None:
    _again(patient)
    patient.until_answered()


def _again(patient: Patient) -> None:
    """The picker's pods, from their start."""
    for pod in patient.api.items(PODS.url(namespace=patient.namespace)):
        if pod["metadata"]["labels"].get("app.kubernetes.io/component") == "epp":
            patient.kill(PODS, pod["metadata"]["name"])
