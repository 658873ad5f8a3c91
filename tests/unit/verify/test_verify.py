"""Every proof: green on a release that is right, red with its fault, unknown where it cannot be told."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from llmdctl.errors import UsageError
from llmdctl.model.check import Outcome
from llmdctl.release.verify import BUDGET, CLAIMS, selected, verify, wording
from llmdctl.release.verify.junit import junit
from tests.unit.verify.world import CONFIG, ENVOY, LOADED, MODEL, NS, World, failures, proof

pytestmark = pytest.mark.allow_loopback  # asking several pods at once makes a socket pair
FLOW = {**CONFIG, "featureGates": ["flowControl"]}
PRECISE = {**CONFIG, "plugins": [*CONFIG["plugins"], {"type": "precise-prefix-cache-scorer"}]}
HPA = {
    "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "scale", "namespace": NS},
    "spec": {
        "scaleTargetRef": {"kind": "Deployment", "name": "pd-decode"}, "maxReplicas": 4,
        "metrics": [{"type": "External", "external": {"metric": {"name": "s0-prometheus"}, "target": {"value": "1"}}}],
    },
    "status": {"conditions": [
        {"type": "AbleToScale", "status": "True"},
        {"type": "ScalingActive", "status": "False", "reason": "FailedGetExternalMetric", "message": "unable to fetch"},
    ], "currentMetrics": [{"type": "External", "external": {"metric": {"name": ""}, "current": {}}}]},
}  # fmt: skip
QUERY = {
    "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "scale", "namespace": NS},
    "spec": {"scaleTargetRef": {"name": "pd-decode"}, "triggers": [
        {"type": "prometheus", "metadata": {"query": 'sum(llm_d_epp_request_running{a="b"})', "serverAddress": "http://p"}},
    ]},
}  # fmt: skip
TIER = ('--kv-transfer-config={"kv_connector":"OffloadingConnector","kv_role":"kv_both"}',)


def test_a_release_that_is_right_is_green_with_few_requests():
    world = World()
    report = world.verify()
    assert failures(report) == []
    assert [each.code for each in report.of(Outcome.UNKNOWN)] == []
    assert report.requests == world.requests == 7
    assert report.requests < report.budget == BUDGET
    assert report.counts["pass"] + report.counts["skip"] == len(CLAIMS)
    assert wording.exit_code(report, strict=True) == 0


FAULTS = {
    "500": ({"status": 500}, "LV0101"),
    "another model answers": ({"model": "other"}, "LV0101"),
    "no list of models": ({"status": 503}, "LV0102"),
    "a wrong model is served": ({"wrong_status": 200}, "LV0103"),
    "a stream is cut": ({"done": ""}, "LV0104"),
    "another configuration": ({"loaded": LOADED.replace("Weight: 3.0", "Weight: 1.0")}, "LV0201"),
    "the ConfigMap was edited": ({"edited": True}, "LV0202"),
    "a pod older than its ConfigMap": ({"old_pod": True}, "LV0202"),
    "requests go past the scheduler": ({"epp_past": True}, "LV0203"),
    "the pool selects nothing": ({"selector": {"app": "else"}}, "LV0301"),
    "the scheduler sees less": ({"epp_sees": 1}, "LV0302"),
    "caching off": ({"caching": False}, "LV0401"),
    "caching off by a flag": ({"live_args": ("--no-enable-prefix-caching",)}, "LV0401"),
    "no hits": ({"caching": False}, "LV0402"),
    "round robin": ({"together": False}, "LV0403"),
    "no prefill elsewhere": ({"remote": False}, "LV0501"),
    "nothing moves": ({"moves": False}, "LV0502"),
    "transfers fail": ({"failed_transfers": 2}, "LV0502"),
    "no KV events": ({"config": PRECISE}, "LV0601"),
    "the tier takes nothing": ({"args": TIER}, "LV0602"),
    "flow control off": ({"config": FLOW, "log": ('{"msg":"Flow Control layer is disabled"}',)}, "LV0801"),
    "nothing is queued": ({"config": FLOW}, "LV0802"),
    "an autoscaler reads nothing": ({"extra": (HPA,)}, "LV0901"),
    "a name of another version": ({"extra": (QUERY,)}, "LV0902"),
    "a replica is missing": ({"ready": 1}, "LV1001"),
    "a route ends after 15 s": ({"envoy": ENVOY.replace(", timeout: 0s", "")}, "LV1101"),
    "a route ends after 30 s": ({"envoy": ENVOY.replace("timeout: 0s", "timeout: 30s")}, "LV1101"),
    "another block size": ({"block": 16}, "LV1201"),
    "another length": ({"length": 1024}, "LV1202"),
    "a small KV cache": ({"blocks": 3}, "LV1203"),
    "other arguments": ({"live_args": ("--max-num-seqs=1",)}, "LV1204"),
}


@pytest.mark.parametrize(("fault", "code"), FAULTS.values(), ids=list(FAULTS))
def test_each_fault_turns_its_proof_red(fault: dict[str, object], code: str):
    report = World(**fault).verify()
    found = proof(report, code)
    assert found.outcome is Outcome.FAIL, found
    assert found.message.endswith((".", "…"))
    assert wording.exit_code(report) == 9


UNKNOWNS = {
    "no kubelet": ({"simulated": True}, "LV0101", "forwards nothing"),
    "no kubelet, engines": ({"simulated": True}, "LV1203", "forwards nothing"),
    "credentials": ({"status": 401}, "LV0101", "credentials"),
    "no log line": ({"loaded": None}, "LV0201", "does not (any more) say"),
    "no token": ({"epp_auth": True, "epp_token": False}, "LV0302", "no service account"),
    "other metrics": ({"metrics": False}, "LV1203", "does not say"),
    "others ask too": ({"others": 500.0}, "LV0403", "Other requests"),
    "no pod ready": ({"ready": 0}, "LV0101", "no pod of an engine is ready"),
}  # fmt: skip


@pytest.mark.parametrize(("state", "code", "part"), UNKNOWNS.values(), ids=list(UNKNOWNS))
def test_what_cannot_be_told_is_unknown_with_the_reason(state: dict[str, object], code: str, part: str):
    found = proof(World(**state).verify(), code)
    assert found.outcome is Outcome.UNKNOWN, found
    assert part in found.message


def test_metrics_behind_a_token_are_read_with_one_of_a_reader():
    world = World(epp_auth=True)
    assert proof(world.verify(), "LV0302").outcome is Outcome.PASS
    sent = [asked for asked in world.cluster.pods.asked if "authorization" in asked.headers]
    assert {(asked.pod, asked.port) for asked in sent} == {("pd-epp-0", 9090)}


def test_without_the_schedulers_metrics_the_proxy_tells_whether_requests_went_past_it():
    blind = {"epp_auth": True, "epp_token": False}
    assert proof(World(**blind).verify(), "LV0203").outcome is Outcome.PASS
    assert proof(World(**blind, epp_past=True).verify(), "LV0203").outcome is Outcome.FAIL


def test_a_threshold_that_no_prompt_reaches_is_a_failure():
    config = json.loads(json.dumps(CONFIG))
    config["plugins"][0] = {"type": "prefix-based-pd-decider", "parameters": {"nonCachedTokens": 100_000}}
    found = proof(World(remote=False, config=config).verify(), "LV0501")
    assert found.outcome is Outcome.FAIL
    assert "never split" in found.message


def test_a_simulated_release_fails_nothing_that_needs_a_request():
    report = World(simulated=True).verify()
    assert failures(report) == []
    assert wording.exit_code(report) == 0
    assert wording.exit_code(report, strict=True) == 4


def test_after_an_answer_that_never_comes_no_more_is_sent():
    world = World(simulated=True)
    assert world.verify().requests == 1


def test_the_budget_is_kept():
    world = World()
    report = world.verify(budget=3)
    assert report.requests == world.requests == 3
    assert "budget" in proof(report, "LV0402").message


def test_proofs_without_a_request_send_none():
    world = World()
    report = world.verify("engine", "pool")
    assert world.requests == 0
    assert report.entrance == ""
    assert failures(report) == []


def test_no_prompt_and_no_token_is_in_the_report():
    report = World(epp_auth=True, status=200).verify()
    text = junit(report)
    assert "short-lived" not in text
    assert "Say yes" not in text


def test_junit_names_every_proof():
    report = World(caching=False, simulated=False).verify()
    cases = list(ElementTree.fromstring(junit(report)).iter("testcase"))
    assert len(cases) == len(CLAIMS)
    failed = [case.get("name") for case in cases if case.find("failure") is not None]
    assert failed == ["LV0401 prefix-caching-on", "LV0402 prefix-hits-rise"]


def test_a_release_that_is_not_there():
    world = World()
    with pytest.raises(UsageError, match="no release nothing"):
        verify("nothing", NS, helm=world.helm, cluster=world.cluster)


def test_names_are_looked_up_among_those_there_are():
    assert [claim.code for claim in selected(["lv0101", "prefix"], ["LV0403"])] == ["LV0101", "LV0401", "LV0402"]
    with pytest.raises(UsageError) as caught:
        selected(["LV0102", "prefx"], [])
    assert caught.value.problems[0].suggestion == "prefix"


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=list(CLAIMS))
def test_each_claim_has_its_page(claim):
    assert claim.family
    for text in (claim.claim, claim.why, claim.reads, claim.remedy):
        assert text.endswith(".")
    assert not claim.title.endswith(".")


def test_what_answered_is_named():
    assert MODEL in proof(World().verify("LV0101", "LV0402"), "LV0101").message
