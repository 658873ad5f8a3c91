"""Every proof: green on a release that is right, unknown where it cannot be told. Faults: test_cases.py."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from llmdctl.cli.views import proofs as view
from llmdctl.errors import UsageError
from llmdctl.model.check import Outcome
from llmdctl.release.verify import BUDGET, CLAIMS, selected, verify, wording
from llmdctl.release.verify.junit import junit
from tests.unit.verify.world import CONFIG, MODEL, NS, World, failures, proof

pytestmark = pytest.mark.allow_loopback  # asking several pods at once makes a socket pair


def test_a_release_that_is_right_is_green_with_few_requests():
    world = World()
    report = world.verify()
    assert failures(report) == []
    assert [each.code for each in report.of(Outcome.UNKNOWN)] == []
    assert report.requests == world.requests == 7
    assert report.requests < report.budget == BUDGET
    assert report.counts["pass"] + report.counts["skip"] == len(CLAIMS)
    assert wording.exit_code(report, strict=True) == 0


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


def test_a_picker_that_counts_every_five_seconds_may_count_once_more():
    """The last engine became ready as verify began; its requests take three seconds."""
    assert proof(World(epp_counts_at_s=4.9).verify(), "LV0302").outcome is Outcome.PASS
    assert proof(World(epp_counts_at_s=600).verify(), "LV0302").outcome is Outcome.FAIL


def test_metrics_behind_a_token_are_read_with_one_of_a_reader():
    world = World(epp_auth=True)
    assert proof(world.verify(), "LV0302").outcome is Outcome.PASS
    sent = [asked for asked in world.cluster.pods.asked if "authorization" in asked.headers]
    assert {(asked.pod, asked.port) for asked in sent} == {("pd-epp-0", 9090)}


@pytest.mark.parametrize(
    ("queue", "outcome"),
    [
        ({"0": [40.0, 10], "100": [2.0, 10]}, Outcome.PASS),
        ({"-1": [90.0, 10], "0": [40.0, 10], "100": [41.0, 10]}, Outcome.WARN),
        ({"0": [0.5, 10], "100": [0.6, 10]}, Outcome.SKIP),  # nobody has waited
        ({"0": [40.0, 10]}, Outcome.SKIP),
        ({"-1": [90.0, 10], "0": [0.0, 3, 3], "100": [20.0, 10]}, Outcome.PASS),  # class 0 found room
        ({"0": [20.0, 100, 95], "100": [10.0, 5]}, Outcome.PASS),  # those that had to wait: 4 s and 2 s
    ],
)
def test_the_order_of_priorities_is_read_where_requests_have_waited(queue: dict[str, list[float]], outcome: Outcome):
    assert (
        proof(World(config={**CONFIG, "featureGates": ["flowControl"]}, queue=queue).verify(), "LV0803").outcome
        is outcome
    )


def test_of_the_account_that_the_chart_makes_nobody_is_asked_what_it_may():
    world = World(epp_auth=True, epp_token=False, epp_reader=True)
    assert proof(world.verify(), "LV0302").outcome is Outcome.PASS
    asked = [what for method, what in world.cluster.calls if method == "exchange"]
    assert not [what for what in asked if "subjectaccessreviews" in what]


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


def test_what_cannot_be_known_for_one_reason_is_read_once():
    report = World(ready=0).verify()
    text = "\n".join(view.lines(report, width=100))
    assert len(report.of(Outcome.UNKNOWN)) > 8
    assert text.count("no pod of an engine is ready") <= 2, text
    for each in report.of(Outcome.UNKNOWN):
        assert each.code in text
    assert "$ llmdctl doctor pd -n llm" in text
