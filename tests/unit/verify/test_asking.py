"""The autoscalers' queries, asked of the Prometheus that KEDA asks, or of the one that is given."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmdctl.errors import ForbiddenError
from llmdctl.model.check import Outcome
from llmdctl.prometheus import Answer
from llmdctl.release.verify.asking import answers
from llmdctl.release.verify.scaling import Answered, Scaler, judge
from tests.fakes.cluster import FakeCluster
from tests.fakes.pods import Reply

ADDRESS = "http://prometheus.monitoring.svc.cluster.local:9090/base"
SELECTED: dict[str, Any] = {"selector": {"app": "prometheus"}, "ports": [{"port": 9090, "targetPort": "web"}]}
SEVEN = {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "7"]}]}}
NOTHING = {"status": "success", "data": {"resultType": "vector", "result": []}}
WRONG = {"status": "error", "errorType": "bad_data", "error": "parse error"}
POD = {
    "apiVersion": "v1", "kind": "Pod",
    "metadata": {"name": "p-0", "namespace": "monitoring", "labels": {"app": "prometheus"}},
    "spec": {"containers": [{"name": "p", "ports": [{"name": "web", "containerPort": 9091}]}]},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}  # fmt: skip


def scaled(address: str = ADDRESS) -> dict[str, Any]:
    trigger = {"type": "prometheus", "name": "queue", "metadata": {"query": "sum(x)", "serverAddress": address}}
    return {
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "decode", "namespace": "llm"},
        "spec": {"scaleTargetRef": {"name": "decode"}, "triggers": [trigger]},
        "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "ScaledObjectReady"}]},
    }  # fmt: skip


def service(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "prometheus", "namespace": "monitoring"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def asked(cluster: FakeCluster, address: str = ADDRESS) -> Answered | None:
    return answers(cluster, [scaled(address)], None).get("decode/queue")


def test_a_service_with_pods_is_asked_through_one_of_them():
    cluster = FakeCluster(service(**SELECTED), POD)
    cluster.pods.on("p-0", 9091, "/base/api/v1/query", json.dumps(SEVEN))
    assert asked(cluster) == Answered(value=7)
    assert cluster.pods.asked[0].path.endswith("?query=sum%28x%29")


@pytest.mark.parametrize(
    ("status", "document", "expected"),
    [
        (200, SEVEN, Answered(value=7)),
        (200, NOTHING, Answered(value=None)),
        (400, WRONG, Answered(error="Prometheus says bad_data: parse error")),
        (403, {"kind": "Status"}, None),
    ],
)
def test_what_it_says_is_passed_on(status, document, expected):
    cluster = FakeCluster(service(**SELECTED), POD)
    cluster.pods.otherwise = lambda _: Reply(status=status, body=json.dumps(document).encode())
    assert asked(cluster) == expected


def test_a_service_without_a_selector_leads_out_of_the_cluster():
    assert asked(FakeCluster(service(ports=[{"port": 9090}]))) is None


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ((), "there is no Service monitoring/prometheus"),
        ((service(ports=[{"port": 80}]),), "has no port 9090"),
        ((service(**SELECTED),), "none of the 0 pods"),
    ],
)
def test_an_address_that_leads_nowhere_is_said(objects, words):
    found = asked(FakeCluster(*objects))
    assert found is not None
    assert not found.reached
    assert words in found.error


@pytest.mark.parametrize("address", ["https://prometheus.monitoring:9090", "http://prometheus.example.com", "http://p"])
def test_an_address_that_may_need_more_than_we_have_is_not_asked(address):
    assert asked(FakeCluster(service(**SELECTED), POD), address) is None


def test_who_may_not_ask_says_nothing():
    cluster = FakeCluster(service(**SELECTED), POD)
    cluster.pods.otherwise = lambda _: ForbiddenError("pods/portforward: forbidden")
    assert asked(cluster) is None


def test_the_one_that_is_given_is_asked_instead():
    paths = []

    def ask(path: str) -> Answer:
        paths.append(path)
        return Answer(status=200, body=json.dumps(SEVEN).encode())

    assert answers(FakeCluster(), [scaled("http://nobody.here")], ask) == {"decode/queue": Answered(value=7)}
    assert paths == ["/api/v1/query?query=sum%28x%29"]


def test_a_pod_that_answers_something_else_is_no_prometheus():
    cluster = FakeCluster(service(**SELECTED), POD)
    cluster.pods.otherwise = lambda _: Reply(status=502, body=b"bad gateway")
    found = asked(cluster)
    assert found is not None
    assert not found.reached
    assert "502" in found.error


def test_no_series_that_an_autoscaler_takes_for_a_number_is_a_warning():
    hpa = {
        "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h", "namespace": "llm"}, "spec": {"maxReplicas": 2},
        "status": {"conditions": [{"type": kind, "status": "True"} for kind in ("AbleToScale", "ScalingActive")]},
    }  # fmt: skip
    quiet = Scaler(scaled_object=scaled(), hpa=hpa, answers={"queue": Answered(value=None)})
    verdict = judge(quiet)
    assert verdict.outcome is Outcome.WARN
    assert "no series for trigger queue" in verdict.message
    measured = judge(Scaler(scaled_object=scaled(), hpa=hpa, answers={"queue": Answered(value=0)}))
    assert measured.outcome is Outcome.PASS
    assert [reading.where for reading in measured.evidence] == ["Prometheus queue"]
