"""Verdicts on autoscalers, over what the real KEDA and Kubernetes wrote (tests/e2e/autoscaling/test_faults.py)."""

import copy

import pytest

from llmdctl.model.check import Outcome
from llmdctl.release.verify.scaling import judge, unknown_series
from tests.unit.release.scalers import FOLDER, ScalerCase, all_cases

CASES = all_cases()


def right(**changes):
    return ScalerCase(FOLDER / "right.yaml").scaler(**changes)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_was_seen_of_a_fault_is_judged_as_it_was_live(case):
    verdict = case.verdict
    assert verdict.outcome.value == case.expected["outcome"], verdict.message
    assert [word for word in case.expected["words"] if word not in verdict.message] == []
    assert verdict.outcome is Outcome.PASS or verdict.remedy


def test_every_broken_link_has_words_of_its_own():
    messages = {case.name: case.verdict.message for case in CASES}
    assert len(messages) >= 12
    unguarded = {name for name in messages if name.removesuffix("-unguarded") in messages}
    assert len({messages[name] for name in unguarded}) >= 11  # with and without a fallback, one link may be broken


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hpa": None}, "there is no HorizontalPodAutoscaler for ScaledObject/models/right"),
        ({"external": {"s0-prometheus": "the server is currently unable to handle the request"}}, "unable to handle"),
    ],
)
def test_a_link_that_is_missing_is_named(changes, words):
    verdict = judge(right(**changes))
    assert verdict.outcome is Outcome.FAIL
    assert words in verdict.message
    assert verdict.remedy


def test_nobody_has_looked_at_it_where_keda_does_not_run():
    item = dict(right().scaled_object or {})
    del item["status"]
    verdict = judge(right(scaled_object=item, hpa=None))
    assert verdict.outcome is Outcome.FAIL
    assert "operator does not run" in verdict.message


def test_an_autoscaler_without_keda_that_reads_nothing_shows_unknown():
    hpa = copy.deepcopy(dict(right().hpa or {}))
    for condition in hpa["status"]["conditions"]:
        if condition["type"] == "ScalingActive":
            condition |= {"status": "False", "reason": "FailedGetExternalMetric", "message": "no metrics returned"}
    verdict = judge(right(scaled_object=None, hpa=hpa))
    assert verdict.outcome is Outcome.FAIL
    assert "<unknown>" in verdict.message
    assert "no metrics returned" in verdict.message


def test_one_that_is_new_is_not_judged_yet():
    hpa = dict(right().hpa or {}) | {"status": {}}
    assert judge(right(hpa=hpa)).outcome is Outcome.WARN


@pytest.mark.parametrize(
    ("query", "epp", "metric"),
    [
        ("sum(llm_d_epp_flow_control_queue_size{a='b'})", "0.7", "llm_d_epp_flow_control_queue_size"),
        ("sum(llm_d_epp_flow_control_queue_size{a='b'})", "0.9", None),
        ("sum(vllm:anything) or vector(0)", "0.7", None),
        ("sum(llm_d_epp_flow_control_queue_size)", "", None),
    ],
)
def test_names_that_a_version_lacks(query, epp, metric):
    found = unknown_series(query, epp)
    assert (found[0] if found else None) == metric
