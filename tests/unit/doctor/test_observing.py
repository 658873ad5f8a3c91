"""Looking at a cluster: what is asked, what may not be read, and the one request."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from llmdctl.errors import ClusterError, NoAnswerError, NoKubeletError
from llmdctl.kube import Reply
from llmdctl.model.check import Outcome
from llmdctl.model.hop import HEALTHY, UNDECIDED, HopName
from llmdctl.release.doctor import diagnose, observe
from tests import documents
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster, resource
from tests.fakes.pods import PodRequest
from tests.unit.doctor.scenes import FOLDER, MODEL, NAMESPACE, NOW_S, scene_of

KINDS = (
    resource("inference.networking.k8s.io/v1", "InferencePool", "inferencepools"),
    resource("gateway.networking.k8s.io/v1", "Gateway", "gateways"),
    resource("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes"),
    resource("gateway.networking.k8s.io/v1", "GatewayClass", "gatewayclasses", namespaced=False),
    resource("coordination.k8s.io/v1", "Lease", "leases"),
)


def _cluster(case: str) -> FakeCluster:
    scene = scene_of(documents.load((FOLDER / f"{case}.yaml").read_text()))
    cluster = FakeCluster()
    cluster.kinds += KINDS
    for obj in scene.objects:
        cluster.put(obj)
    cluster.pods.otherwise = _healthy
    return cluster


def _healthy(asked: PodRequest) -> Reply:
    pages = {
        "/health": "",
        "/v1/models": json.dumps({"data": [{"id": MODEL}]}),
        "/metrics": 'vllm:num_requests_running 0\ninference_pool_ready_pods{name="qwen"} 4\n',
        "/v1/completions": '{"choices": []}',
    }
    return Reply(status=200, body=pages[asked.path].encode())


def test_a_healthy_deployment_gets_one_request_through_its_proxy() -> None:
    cluster = _cluster("healthy-standalone")
    scene = observe(cluster, namespace=NAMESPACE, clock=FakeClock().clock)
    found = diagnose(scene, namespace=NAMESPACE)
    assert found.exit_code == HEALTHY
    sent = [asked for asked in cluster.pods.asked if asked.method == "POST"]
    assert [(asked.pod, asked.port, asked.json["max_tokens"]) for asked in sent] == [("qwen-epp-7c9f-0", 8081, 1)]
    assert found.requests == 1


RESET = "upstream connect error or disconnect/reset before headers. reset reason: connection termination"


@pytest.mark.parametrize(
    ("replies", "outcome", "asked"), [([503, 200], Outcome.PASS, 2), ([503, 503], Outcome.FAIL, 2)]
)
def test_a_kept_connection_that_ends_at_that_moment_is_asked_through_again(
    replies: list[int], outcome: Outcome, asked: int
) -> None:
    cluster, left = _cluster("healthy-standalone"), list(replies)
    cluster.pods.on(
        "qwen-epp-7c9f-0", 8081, "/v1/completions",
        lambda _: Reply(status=(status := left.pop(0)), body=RESET.encode() if status == 503 else b"{}"),
    )  # fmt: skip
    found = diagnose(observe(cluster, namespace=NAMESPACE, clock=FakeClock().clock), namespace=NAMESPACE)
    assert (found.chains[0].hops[-1].outcome, found.requests, left) == (outcome, asked, [])


def test_nothing_is_sent_when_a_hop_is_broken_or_nobody_wants_it() -> None:
    for case, request in (("pool-target-port", True), ("healthy-standalone", False)):
        cluster = _cluster(case)
        observe(cluster, namespace=NAMESPACE, request=request, clock=FakeClock().clock)
        assert not [asked for asked in cluster.pods.asked if asked.method == "POST"], case


def test_an_engine_with_requests_is_looked_at_twice() -> None:
    cluster, clock = _cluster("healthy-standalone"), FakeClock()
    busy = "vllm:num_requests_running 2\nvllm:generation_tokens_total 7\nvllm:prompt_tokens_total 9\n"
    cluster.pods.on("qwen-7c9f-0", 8000, "/metrics", busy)
    scene = observe(cluster, namespace=NAMESPACE, clock=clock.clock)
    assert clock.elapsed_s > 0
    broken = diagnose(scene, namespace=NAMESPACE).chains[0].broken
    assert broken is not None
    assert broken.name is HopName.ENGINE
    assert "hung" in broken.saw


def test_on_a_simulated_node_nobody_is_taken_for_silent() -> None:
    cluster = _cluster("healthy-standalone-pd")
    cluster.pods.otherwise = lambda _: NoKubeletError("its node is simulated and forwards nothing")
    found = diagnose(observe(cluster, namespace=NAMESPACE, clock=FakeClock().clock), namespace=NAMESPACE)
    assert found.exit_code == UNDECIDED
    unknown = {hop.name: hop.saw for hop in found.chains[0].hops if hop.outcome is Outcome.UNKNOWN}
    assert set(unknown) == {HopName.ENDPOINT, HopName.ENGINE, HopName.REQUEST}
    assert all("its node is simulated" in saw for saw in unknown.values())


@pytest.mark.parametrize("kind", ["Pod", "HTTPRoute", "Gateway"])
def test_what_may_not_be_listed_is_unknown_with_the_right_to_ask_for(kind: str) -> None:
    cluster = _cluster("healthy-agentgateway")
    cluster.hidden.add(kind)
    scene = observe(cluster, namespace=NAMESPACE, request=False, clock=FakeClock().clock)
    found = diagnose(scene, namespace=NAMESPACE)
    assert found.exit_code == UNDECIDED
    unknown = [hop for hop in found.chains[0].hops if hop.outcome is Outcome.UNKNOWN]
    assert any("list " in " ".join((hop.saw, *hop.remedy)) for hop in unknown)
    assert found.chains[0].broken is None


def test_a_picker_that_hears_of_a_pod_a_second_late_is_not_called_broken() -> None:
    cluster, clock, seen = _cluster("healthy-agentgateway"), FakeClock(), [3, 4]
    cluster.pods.on(
        "qwen-epp-7c9f-0", 9090, "/metrics",
        lambda _: Reply(status=200, body=f'inference_pool_ready_pods{{name="qwen"}} {seen.pop(0)}\n'.encode()),
    )  # fmt: skip
    scene = observe(cluster, namespace=NAMESPACE, request=False, clock=clock.clock)
    hop = next(hop for hop in diagnose(scene, namespace=NAMESPACE).chains[0].hops if hop.name is HopName.ENDPOINT)
    assert (hop.outcome, seen) == (Outcome.PASS, [])
    assert clock.elapsed_s > 0


def test_what_a_picker_sees_is_not_waited_for_where_nothing_leads_to_it() -> None:
    cluster, clock = _cluster("pool-target-port"), FakeClock()
    cluster.pods.on("qwen-epp-7c9f-0", 9090, "/metrics", 'inference_pool_ready_pods{name="qwen"} 0\n')
    broken = diagnose(observe(cluster, namespace=NAMESPACE, clock=clock.clock), namespace=NAMESPACE).chains[0].broken
    assert broken is not None
    assert broken.name is HopName.POOL
    assert clock.elapsed_s == 0


def test_pages_of_a_port_are_asked_in_order_and_a_hung_one_costs_its_time_once() -> None:
    cluster, asked = _cluster("healthy-standalone"), []

    def hung(request: PodRequest) -> ClusterError:
        asked.append(request.path)
        return NoAnswerError("no answer in time")

    cluster.pods.replies |= {("qwen-7c9f-0", 8000, path): hung for path in ("/health", "/v1/models", "/metrics")}
    scene = observe(cluster, namespace=NAMESPACE, clock=FakeClock().clock)
    assert asked[0] == "/health"
    assert sorted(asked) == ["/health", "/metrics", "/v1/models"]
    assert {key.path for key, answers in scene.answers.items() if answers[0].failure} == set(asked)


@pytest.mark.parametrize("hidden", [False, True])
def test_who_leads_is_read_where_nobody_is_ready_and_is_evidence_alone(hidden: bool) -> None:
    cluster = _cluster("epp-elected-killed")
    cluster.hidden |= {"Lease"} if hidden else set()
    clock = FakeClock()
    scene = replace(observe(cluster, namespace=NAMESPACE, clock=clock.clock), now_s=NOW_S)
    broken = diagnose(scene, namespace=NAMESPACE).chains[0].broken
    assert broken is not None
    assert broken.name is HopName.EPP
    held = [entry.observed for entry in broken.evidence]
    assert held == ([] if hidden else ["held by qwen-epp-7c9f-0, renewed 6 s ago, for 15 s at a time"])
    assert not scene.unread


def test_who_leads_is_not_asked_where_a_picker_is_ready() -> None:
    cluster = _cluster("healthy-elected-killed")
    observe(cluster, namespace=NAMESPACE, clock=FakeClock().clock)
    assert not [call for call in cluster.calls if "Lease" in str(call)]


def test_a_picker_that_has_just_started_is_asked_until_it_counts_its_pods() -> None:
    cluster, clock, said = (
        _cluster("healthy-agentgateway"),
        FakeClock(),
        ["", "", 'inference_pool_ready_pods{name="qwen"} 4\n'],
    )
    cluster.pods.on(
        "qwen-epp-7c9f-0", 9090, "/metrics", lambda _: Reply(status=200, body=f"up 1\n{said.pop(0)}".encode())
    )
    scene = observe(cluster, namespace=NAMESPACE, request=False, clock=clock.clock)
    hop = next(hop for hop in diagnose(scene, namespace=NAMESPACE).chains[0].hops if hop.name is HopName.ENDPOINT)
    assert (hop.outcome, said) == (Outcome.PASS, [])
    assert 5 < clock.elapsed_s < 10


TOKEN = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/reader/token"
REVIEW = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


@pytest.mark.parametrize("allowed", [True, False])
def test_metrics_behind_a_token_are_read_with_one_of_a_reader_or_unknown(allowed: bool) -> None:
    cluster = _cluster("healthy-agentgateway")
    cluster.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader", "namespace": NAMESPACE}})
    cluster.exchanges["POST", REVIEW] = (201, {"status": {"allowed": allowed}})
    cluster.exchanges["POST", TOKEN] = (201, {"status": {"token": "short-lived"}})
    cluster.pods.on("qwen-epp-7c9f-0", 9090, "/metrics", _asks_for_a_token)
    scene = observe(cluster, namespace=NAMESPACE, request=False, clock=FakeClock().clock)
    (hop,) = [hop for hop in diagnose(scene, namespace=NAMESPACE).chains[0].hops if hop.name is HopName.ENDPOINT]
    assert hop.outcome is (Outcome.PASS if allowed else Outcome.UNKNOWN), hop
    assert allowed or "no service account here may read /metrics" in hop.saw
    assert "short-lived" not in str(scene)


def _asks_for_a_token(asked: PodRequest) -> Reply:
    known = asked.headers.get("authorization") == "Bearer short-lived"
    return _healthy(asked) if known else Reply(status=401)


def test_a_release_narrows_the_chains_and_a_name_that_is_not_there_gives_none() -> None:
    scene = scene_of(documents.load((FOLDER / "healthy-agentgateway.yaml").read_text()))
    assert len(diagnose(scene, release="qwen").chains) == 1
    assert not diagnose(scene, release="other").chains
    assert not diagnose(scene, pool="other").chains
