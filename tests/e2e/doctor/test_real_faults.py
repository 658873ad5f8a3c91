"""Faults seeded into a release that really serves: kubelet, picker, proxy, sidecar and engine say what they say."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from llmdctl import kube
from llmdctl.errors import ClusterError
from llmdctl.model.hop import HEALTHY
from tests.e2e.datapath.serving import llmdctl
from tests.e2e.doctor.seeding import Patient, told
from tests.e2e.sandbox.objects import BINDINGS, CONFIG_MAPS, DEPLOYMENTS, PODS, POOLS, SERVICES

pytestmark = pytest.mark.faults
RELEASE = "doc"
ENGINE_PORT = 8200  # of a decode pod: the sidecar stands before it


@pytest.fixture(scope="module")
def patient(real_node) -> Iterator[Patient]:
    namespace = real_node.namespace("doctor")
    llmdctl(
        "install", "pd-disaggregation", RELEASE, "-n", namespace, "--accelerator", "h200", "-f", str(real_node.values),
        "--role", "prefill.replicas=1", "--role", "decode.replicas=1", "--timeout", "100",
        kubeconfig=Path(real_node.kubeconfig),
    )  # fmt: skip
    cluster = kube.connect(kubeconfig=Path(real_node.kubeconfig))
    yield Patient(api=real_node.api, cluster=cluster, namespace=namespace, release=RELEASE)
    real_node.empty(namespace)


@pytest.fixture(autouse=True, scope="module")
def _well_before(patient: Patient) -> None:
    found = patient.diagnosis(request=True)
    assert found.exit_code == HEALTHY, told(found.chains[0])
    assert found.chains[0].answered
    assert not found.chains[0].also, told(found.chains[0])


def _ports(patient: Patient, name: str, target: object) -> dict[str, Any]:
    """A patch of the Service: one port leads elsewhere."""
    rows = patient.api.get(SERVICES.url(f"{RELEASE}-epp", namespace=patient.namespace))["spec"]["ports"]
    return {"spec": {"ports": [{**row, "targetPort": target} if row["name"] == name else row for row in rows]}}


def _proxy(patient: Patient, old: str, new: str) -> dict[str, Any]:
    return _text(patient, f"{RELEASE}-proxy", old, new)


def _text(patient: Patient, name: str, old: str, new: str) -> dict[str, Any]:
    """A patch of a ConfigMap's one text."""
    data = patient.api.get(CONFIG_MAPS.url(name, namespace=patient.namespace))["data"]
    ((key, text),) = data.items()
    assert old in text
    return {"data": {key: text.replace(old, new)}}


STATIC: Mapping[str, tuple[Any, str, Callable[[Patient], dict[str, Any]], str, str]] = {
    "selector": (
        POOLS, RELEASE, lambda _: {"spec": {"selector": {"matchLabels": {"app.kubernetes.io/instance": "other"}}}},
        "pool", "matches no pod",
    ),
    "target-port": (POOLS, RELEASE, lambda _: {"spec": {"targetPorts": [{"number": 8080}]}}, "pool", "8080"),
    "picker": (POOLS, RELEASE, lambda _: {"spec": {"endpointPickerRef": {"name": "no"}}}, "pool", "which is not there"),
    "proxy-port": (SERVICES, f"{RELEASE}-epp", lambda p: _ports(p, "http", 8099), "listener", "leads to 8099"),
    "picker-port": (SERVICES, f"{RELEASE}-epp", lambda p: _ports(p, "grpc-ext-proc", 9100), "epp", "listens on 9002"),
    "no-service": (
        SERVICES, f"{RELEASE}-epp", lambda _: {"spec": {"selector": {"app.kubernetes.io/instance": "other"}}},
        "address", "no Service leads to its proxy",
    ),
    "no-ext-proc": (
        CONFIG_MAPS, f"{RELEASE}-proxy", lambda p: _proxy(p, "envoy.filters.http.ext_proc", "envoy.filters.http.lua"),
        "epp", "no ext_proc filter",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", STATIC)
def test_objects_that_do_not_meet(patient: Patient, fault: str) -> None:
    resource, name, patch, hop, words = STATIC[fault]
    with patient.changed(resource, name, patch(patient)):
        chain = patient.chain()
        assert chain.broken is not None, told(chain)
        assert (chain.broken.name.value, words in chain.broken.saw) == (hop, True), told(chain)
        assert any(entry.startswith("$ kubectl ") for entry in chain.broken.remedy)


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


def _engine(patient: Patient, **change: Any) -> dict[str, Any]:
    """A patch of the decode Deployment's engine."""
    spec = patient.api.get(DEPLOYMENTS.url(f"{RELEASE}-decode", namespace=patient.namespace))["spec"]["template"][
        "spec"
    ]
    return {"spec": {"template": {"spec": {"containers": [{**spec["containers"][0], **change}]}}}}


def test_engines_that_do_not_come_up(patient: Patient) -> None:
    """One after the other, without a rollout back in between."""
    name = f"{RELEASE}-decode"
    deployment = patient.api.get(DEPLOYMENTS.url(name, namespace=patient.namespace))
    spec = deployment["spec"]["template"]["spec"]
    args, sidecar = spec["containers"][0]["args"], spec["initContainers"][0]
    secret = [{"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "no-such-secret", "key": "x"}}}]
    faults: list[tuple[dict[str, Any], str, str]] = [
        (_engine(patient, args=[*args, "--no-such-flag"]), "engine", "does not take its command line"),
        (_engine(patient, image="sandbox.llmdctl.dev/no-such-image:v1"), "engine", "cannot be pulled"),
        (_engine(patient, resources={"limits": {"nvidia.com/gpu": "99"}}), "engine", "Insufficient nvidia.com/gpu"),
        (_engine(patient, env=secret), "engine", 'secret "no-such-secret" not found'),
        (_engine(patient, resources={"limits": {"memory": "12Mi"}}), "engine", "was killed for memory"),
        ({"spec": {"replicas": 0}}, "engine", "scaled to 0"),
        (_sidecar(sidecar, [*sidecar["args"], "--kv-connector=zzz"]), "sidecar", "ends with exit code 0"),
        (_sidecar(sidecar, ["--port=8000", "--vllm-port=8300", "--secure-proxy=false"]), "sidecar", "8300"),
    ]
    for patch, hop, words in faults:
        with patient.changed(DEPLOYMENTS, name, patch):
            patient.until(hop, words)
    patient.until_answered()


def _sidecar(container: Mapping[str, Any], args: list[str]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"initContainers": [{**container, "args": args}]}}}}


def test_pickers_and_proxies_that_do_not_come_up(patient: Patient) -> None:
    def again() -> None:
        for pod in patient.api.items(PODS.url(namespace=patient.namespace)):
            if pod["metadata"]["labels"].get("app.kubernetes.io/component") == "epp":
                patient.kill(PODS, pod["metadata"]["name"])

    config = _text(patient, f"{RELEASE}-epp", "type: max-score-picker", "type: no-such-picker")
    proxy = _proxy(patient, "request_header_mode: SEND", "request_header_mood: SEND")
    with patient.changed(CONFIG_MAPS, f"{RELEASE}-epp", config):
        again()
        patient.until("epp", "a plugin type that this version does not have")
    with patient.without(BINDINGS, f"{RELEASE}-epp"):
        again()
        patient.until("epp", "may not read what it needs")
    with patient.changed(CONFIG_MAPS, f"{RELEASE}-proxy", proxy):
        again()
        patient.until("listener", "Envoy does not take its configuration")
    again()
    patient.until_answered()
