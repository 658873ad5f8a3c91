"""verify on a release that really runs: green as it is installed, red with each fault, by the code that names it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from llmdctl import helm, kube
from llmdctl.model.check import Outcome
from llmdctl.model.proof import VerifyReport
from llmdctl.model.release import ObjectKey
from llmdctl.release.verify import selected, verify
from tests.e2e.datapath.serving import QUICK, llmdctl
from tests.e2e.doctor.healthy import assert_healthy
from tests.e2e.doctor.seeded import OBJECTS, assert_named_at_once
from tests.e2e.doctor.seeding import Patient

pytestmark = pytest.mark.e2e

NAME = "pd"
ROLES = ("--role", "prefill.replicas=1", "--role", "decode.replicas=2")
GREEN = (
    "LV0101", "LV0201", "LV0203", "LV0302", "LV0402", "LV0403", "LV0501", "LV0502", "LV1101", "LV1205",
)  # fmt: skip
READY_S = 120  # an endpoint picker opens its port only once its certificate is made, after it is Ready


@dataclass(frozen=True)
class Running:
    """A P/D release on the real node."""

    kubeconfig: Path
    namespace: str

    @property
    def cluster(self) -> kube.Cluster:
        return kube.connect(kubeconfig=self.kubeconfig)

    def verify(self, *only: str) -> VerifyReport:
        door = helm.open_helm(kubeconfig=self.kubeconfig)
        return verify(NAME, self.namespace, helm=door, cluster=self.cluster, claims=selected(only, ()))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        key = ObjectKey(api_version=_VERSIONS[kind], kind=kind, namespace=self.namespace, name=name)
        found = self.cluster.get(key)
        assert found is not None
        return dict(found)

    def change(self, kind: str, name: str, edit: Callable[[dict[str, Any]], object]) -> None:
        """As somebody's `kubectl edit` would."""
        document = {key: value for key, value in self.get(kind, name).items() if key != "status"}
        document["metadata"] = {"name": name, "namespace": self.namespace}
        edit(document)
        self.cluster.apply(document, field_manager="somebody", force=True)

    def wait(self, proof: str, outcome: Outcome) -> None:
        """Until one proof has come to an outcome."""
        until_s = time.monotonic() + READY_S
        while (found := self.verify(proof).proofs[0]).outcome is not outcome:
            assert time.monotonic() < until_s, found
            time.sleep(1)


_VERSIONS = {
    "ConfigMap": "v1",
    "Deployment": "apps/v1",
    "InferencePool": "inference.networking.k8s.io/v1",
}


@contextmanager
def installed(real_node, *words: str) -> Iterator[Running]:
    namespace = real_node.namespace("verify")
    found = Running(kubeconfig=Path(real_node.kubeconfig), namespace=namespace)
    llmdctl(
        "install", "pd-disaggregation", NAME, "-n", namespace, "--accelerator", "h200", "-f", str(real_node.values),
        *QUICK, *words, "--timeout", "110", kubeconfig=found.kubeconfig,
    )  # fmt: skip
    found.wait("LV0101", Outcome.PASS)
    yield found
    real_node.empty(namespace)


@pytest.fixture(scope="module")
def running(real_node) -> Iterator[Running]:
    with installed(real_node, *ROLES) as found:
        yield found


def _outcomes(report: VerifyReport, outcome: Outcome) -> list[str]:
    return [proof.code for proof in report.of(outcome)]


def test_as_installed_everything_is_green(running: Running):
    report = running.verify()
    assert _outcomes(report, Outcome.FAIL) == [], report.of(Outcome.FAIL)
    assert _outcomes(report, Outcome.UNKNOWN) == [], report.of(Outcome.UNKNOWN)
    passed = set(_outcomes(report, Outcome.PASS))
    assert set(GREEN) <= passed
    assert report.requests == 7
    print(f"verify: {report.requests} requests, {report.seconds} s")


def test_doctor_finds_nothing_either(running: Running):
    assert_healthy(running.cluster, running.namespace, NAME)


@pytest.mark.parametrize("fault", ["selector", "target-port", "picker", "no-service", "no-ext-proc"])
def test_doctor_names_what_is_broken(running: Running, real_node, fault: str):
    """The quickest of the faults that `make test-faults` seeds."""
    patient = Patient(api=real_node.api, cluster=running.cluster, namespace=running.namespace, release=NAME)
    assert_named_at_once(patient, OBJECTS[fault])


def test_sglang_is_green_as_well(real_node):
    one_of_each = ("--role", "prefill.replicas=1", "--role", "decode.replicas=1")
    with installed(real_node, "--engine", "sglang", *one_of_each) as found:
        report = found.verify()
    assert _outcomes(report, Outcome.FAIL) == [], report.of(Outcome.FAIL)
    assert _outcomes(report, Outcome.UNKNOWN) == [], report.of(Outcome.UNKNOWN)
    assert {"LV0302", "LV0402", "LV0501", "LV0502", "LV1203", "LV1205"} <= set(_outcomes(report, Outcome.PASS))


def test_a_pool_that_selects_nothing(running: Running):
    selectors: list[Any] = []

    def away(pool: dict[str, Any]) -> None:
        selectors.append(pool["spec"]["selector"])
        pool["spec"]["selector"] = {"matchLabels": {"app": "nothing-has-this"}}

    def back(pool: dict[str, Any]) -> None:
        pool["spec"]["selector"] = selectors[0]

    running.change("InferencePool", NAME, away)
    report = running.verify("pool")
    assert "LV0301" in _outcomes(report, Outcome.FAIL)
    running.change("InferencePool", NAME, back)
    running.wait("LV0301", Outcome.PASS)


def test_an_autoscaler_that_reads_unknown(running: Running):
    name = {"name": "someone", "namespace": running.namespace}
    metric = {"metric": {"name": "nobody-has-this"}, "target": {"type": "AverageValue", "averageValue": "1"}}
    scaler = {
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": name,
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"{NAME}-prefill"},
            "minReplicas": 1, "maxReplicas": 1, "metrics": [{"type": "External", "external": metric}],
        },
    }  # fmt: skip
    running.cluster.apply(scaler)
    try:
        running.wait("LV0901", Outcome.FAIL)
    finally:
        running.cluster.delete(kube.key_of(scaler))


def test_another_configuration_that_never_splits_prefill_and_engines_without_a_cache(running: Running):
    """Three faults at once, since each restarts pods: every one of them is named."""

    rendered = running.get("ConfigMap", f"{NAME}-epp")["data"]["epp-config.yaml"]
    lines = [line for line in rendered.splitlines() if "deciders:" not in line and "prefill: always" not in line]
    text = "\n".join(lines).replace("- parameters:\n  type: disagg", "- type: disagg")
    other = {"name": "other", "namespace": running.namespace}
    running.cluster.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": other, "data": {"epp-config.yaml": text}}
    )

    def no_cache(obj: dict[str, Any]) -> None:
        for container in obj["spec"]["template"]["spec"]["containers"]:
            if container["name"] == "engine":
                container["args"] = [*container["args"], "--no-enable-prefix-caching"]

    def another(obj: dict[str, Any]) -> None:
        volumes = obj["spec"]["template"]["spec"]["volumes"]
        next(each for each in volumes if each["name"] == "config")["configMap"]["name"] = "other"

    running.change("Deployment", f"{NAME}-epp", another)
    running.change("Deployment", f"{NAME}-decode", no_cache)
    running.wait("LV0201", Outcome.FAIL)
    running.wait("LV0401", Outcome.FAIL)
    running.wait("LV0101", Outcome.PASS)
    failed = _outcomes(running.verify(), Outcome.FAIL)
    assert {"LV0201", "LV0401", "LV0501", "LV1204"} <= set(failed), failed
