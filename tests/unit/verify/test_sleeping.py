"""A release that sleeps: what can be told meanwhile is told, the rest is not claimed, and --wake proves it."""

from __future__ import annotations

from typing import Any

import pytest

from llmdctl.cli.views import proofs as view
from llmdctl.model.check import Outcome
from llmdctl.release.verify import CLAIMS, wording
from tests.unit.verify.world import CONFIG, World, failures, proof

pytestmark = pytest.mark.allow_loopback  # asking several pods at once makes a socket pair
BOTH = ("decode", "prefill")
HELD = {**CONFIG, "featureGates": ["flowControl"]}
ON = ('{"msg":"Initializing experimental Flow Control layer"}',)
TOLD = {"LV0201", "LV0202", "LV0301", "LV0302", "LV0801", "LV0901", "LV0902", "LV0903", "LV1001", "LV1101"}


def world(**fields: Any) -> World:
    return World(**{"asleep": BOTH, "config": HELD, "log": ON, **fields})


def test_what_can_be_told_meanwhile_is_told_and_nobody_is_woken() -> None:
    asleep = world()
    report = asleep.verify()
    assert report.asleep == BOTH
    assert asleep.requests == report.requests == 0
    assert {each.code for each in report.of(Outcome.PASS)} == TOLD
    assert report.counts["skip"] + len(TOLD) == len(CLAIMS)
    assert wording.exit_code(report, strict=True) == 0


def test_what_is_not_claimed_says_why_and_how_to_wake_it() -> None:
    found = proof(world().verify(), "LV0101")
    assert found.outcome is Outcome.SKIP
    assert "Deployment/llm/pd-decode has 0 replicas until ScaledObject/llm/pd-decode wakes it" in found.message
    assert found.remedy == ("$ llmdctl verify pd -n llm --wake",)


def test_a_person_reads_that_it_sleeps_and_how_it_is_woken() -> None:
    text = "\n".join(view.lines(world().verify(), width=80))
    assert "Asleep (decode, prefill): nothing failed" in text
    assert "      $ llmdctl verify pd -n llm --wake" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_pool_is_held_against_the_pods_that_will_come() -> None:
    assert "those that will come" in proof(world().verify(), "LV0301").message
    assert "no pod that decode will have" in proof(world(selector={"app": "else"}).verify(), "LV0301").message


def test_a_fault_that_shows_without_pods_is_named_all_the_same() -> None:
    assert failures(world(edited=True).verify()) == ["LV0202"]


def test_woken_it_is_proved_as_one_that_never_slept() -> None:
    asleep, said = world(), list[str]()
    report = asleep.verify(wake_s=600.0, report=said.append)
    assert report.asleep == ()
    woken = proof(report, "LV0904")
    assert (woken.outcome, woken.requests) == (Outcome.PASS, 1)
    assert "answered 40.5 s after it was asked" in woken.message
    assert asleep.requests == report.requests == 8
    assert {"LV0101", "LV0402", "LV0501"} <= {each.code for each in report.of(Outcome.PASS)}
    assert [line for line in said if line.startswith("Waking decode, prefill") and line.endswith("at most 600 s.")]


def test_where_waking_alone_is_asked_for_nothing_else_is_sent() -> None:
    asleep = world()
    report = asleep.verify("LV0904", wake_s=600.0)
    assert asleep.requests == report.requests == 1
    assert [each.outcome for each in report.proofs] == [Outcome.PASS]
    assert World().verify("autoscaling").requests == 0


def test_one_that_is_awake_is_sent_nothing_more() -> None:
    awake = World()
    report = awake.verify(wake_s=600.0)
    assert awake.requests == 7
    assert proof(report, "LV0904").message == "It does not sleep."


def test_where_only_prefill_sleeps_requests_are_sent_and_nobody_is_woken() -> None:
    report = world(asleep=("prefill",), remote=False, moves=False).verify(wake_s=600.0)
    assert report.requests == 7
    assert report.asleep == ()
    assert proof(report, "LV0101").outcome is Outcome.PASS
    assert "Role prefill sleeps until ScaledObject/llm/pd-prefill wakes it" in proof(report, "LV1001").message


def test_zero_that_nobody_ends_is_no_sleep() -> None:
    stopped = world()
    stopped.cluster.kinds = [kind for kind in stopped.cluster.kinds if kind.kind != "ScaledObject"]
    report = stopped.verify()
    assert report.asleep == ()
    assert proof(report, "LV1001").outcome is Outcome.UNKNOWN  # rendered, and nobody may read it
