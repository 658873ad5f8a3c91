"""Prompts are computed on prefill pods, answers on decode pods, and the KV cache really goes from one to the other.

verify is green on it as it is installed, with vLLM and with SGLang, and red with each fault, by the code that names it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from llmdctl import helm, kube
from llmdctl.model.check import Outcome
from llmdctl.model.proof import VerifyReport
from llmdctl.model.release import ObjectKey
from llmdctl.release.verify import selected, verify
from tests.e2e.datapath.serving import UNAIDED, Serving, shared_prefix
from tests.e2e.doctor.healthy import assert_healthy
from tests.e2e.doctor.seeded import OBJECTS, assert_named_at_once
from tests.e2e.doctor.seeding import Patient

pytestmark = pytest.mark.e2e

MODEL = "openai/gpt-oss-120b"
NAME, OTHER = "pd", "sgl"
RELEASES = {
    NAME: ("--role", "prefill.replicas=1", "--role", "decode.replicas=2", *UNAIDED),
    OTHER: ("--engine", "sglang", "--role", "prefill.replicas=1", "--role", "decode.replicas=1"),
}
TOKENS = 700
COMPUTED = "vllm:prompt_tokens_by_source_total"
GREEN = (
    "LV0101", "LV0201", "LV0203", "LV0302", "LV0402", "LV0403", "LV0501", "LV0502", "LV1101", "LV1205",
)  # fmt: skip
READY_S = 120


@dataclass(frozen=True)
class Running:
    """One of the releases."""

    kubeconfig: Path
    namespace: str
    release: str

    @property
    def cluster(self) -> kube.Cluster:
        return kube.connect(kubeconfig=self.kubeconfig)

    def verify(self, *only: str) -> VerifyReport:
        door = helm.open_helm(kubeconfig=self.kubeconfig)
        return verify(self.release, self.namespace, helm=door, cluster=self.cluster, claims=selected(only, ()))

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


@pytest.fixture(scope="module")
def releases(serve_all) -> Iterator[Mapping[str, Serving]]:
    with serve_all("pd-disaggregation", MODEL, RELEASES) as found:
        yield found


@pytest.fixture
def serving(releases) -> Serving:
    return releases[NAME]


@pytest.fixture
def running(serving, real_node) -> Running:
    return Running(kubeconfig=Path(real_node.kubeconfig), namespace=serving.namespace, release=NAME)


def _outcomes(report: VerifyReport, outcome: Outcome) -> list[str]:
    return [proof.code for proof in report.of(outcome)]


def _computed(serving: Serving, role: str) -> float:
    return serving.total(role, COMPUTED, source="local_compute")


def test_prompts_are_computed_on_prefill_pods_and_fetched_by_decode_pods(serving, client):
    prompts = [shared_prefix(f"pd{number}", TOKENS) for number in range(6)]
    before = _computed(serving, "prefill"), _computed(serving, "decode")
    for prompt in prompts:
        answer = client.completions.create(model=MODEL, prompt=prompt, max_tokens=12, temperature=0)
        assert answer.usage.prompt_tokens >= TOKENS
        assert answer.usage.completion_tokens == 12
    on_prefill = _computed(serving, "prefill") - before[0]
    on_decode = _computed(serving, "decode") - before[1]
    fetched = serving.total("decode", COMPUTED, source="external_kv_transfer")
    assert on_prefill >= 6 * TOKENS
    assert on_decode < 0.1 * on_prefill
    assert fetched >= 6 * TOKENS * 0.9


def test_the_text_is_that_of_one_engine_alone_streamed_or_not(serving, client):
    asked = {"model": MODEL, "prompt": shared_prefix("same", TOKENS), "max_tokens": 24, "temperature": 0}
    through = client.completions.create(**asked)
    streamed = "".join(part.choices[0].text for part in client.completions.create(**asked, stream=True) if part.choices)
    alone = serving.ask_engine(serving.pods("decode")[0], "decode", asked)
    assert through.choices[0].text == alone["choices"][0]["text"] == streamed


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


def test_sglang_is_green_as_well(releases, real_node):
    found = Running(kubeconfig=Path(real_node.kubeconfig), namespace=releases[OTHER].namespace, release=OTHER)
    report = found.verify()
    assert _outcomes(report, Outcome.FAIL) == [], report.of(Outcome.FAIL)
    assert _outcomes(report, Outcome.UNKNOWN) == [], report.of(Outcome.UNKNOWN)
    assert {"LV0302", "LV0402", "LV0501", "LV0502", "LV1203", "LV1205"} <= set(_outcomes(report, Outcome.PASS))


@pytest.mark.parametrize("fault", ["selector", "target-port", "picker", "no-service", "no-ext-proc"])
def test_doctor_names_what_is_broken(running: Running, real_node, fault: str):
    """The quickest of the faults that `make test-faults` seeds."""
    patient = Patient(api=real_node.api, cluster=running.cluster, namespace=running.namespace, release=NAME)
    assert_named_at_once(patient, OBJECTS[fault])


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
