"""Replicas for the peak, lent to batch work in between: it runs while nobody asks, and waits when somebody does."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.e2e.datapath.crowd import Answered, Asking, Crowd, all_of, mean, switch
from tests.e2e.datapath.serving import Serving, flags

MODEL = "Qwen/Qwen3-235B-A22B-FP8"
REPLICAS, AT_A_TIME = 2, 4  # requests of an engine
SLOW = 10.0  # steps of more than 10 ms
BATCH, BATCH_TOKENS = 50, 24
ASKED, ASKED_TOKENS, EVERY_S = 8, 4, 0.1
SETTINGS = {
    "modelserver.roles.aggregate.args.max-num-seqs": AT_A_TIME,
    "scheduler.flowControl.maxConcurrency": AT_A_TIME,
    "scheduler.metricsAuth": "false",
}


@pytest.fixture(scope="module")
def serving(needs_picker, serve) -> Iterator[Serving]:
    needs_picker("0.9")  # limits in numbers of requests, and a schedule by tokens
    words = ("--autoscaler", "none", "--metrics", "none", "--role", f"aggregate.replicas={REPLICAS}")
    with serve("peak-provisioned", MODEL, *words, *flags(SETTINGS)) as found:
        yield found


@pytest.fixture(scope="module")
def crowd(serving, picker_dialect) -> Crowd:
    return Crowd(serving=serving, dialect=picker_dialect)


def _ask(crowd: Crowd, name: str, objective: str) -> list[Answered]:
    """People who ask one after the other, whatever became of the one before."""
    sent = []
    for each in range(ASKED):
        sent += crowd.send([Asking(prompt=f"person {name} {each}", tokens=ASKED_TOKENS, objective=objective)])
        time.sleep(EVERY_S)
    return all_of(sent)


def _beside_batch(crowd: Crowd, name: str, objective: str, of_batch: str) -> tuple[list[Answered], list[Answered]]:
    work = (Asking(prompt=f"batch {name} {each}", tokens=BATCH_TOKENS, objective=of_batch) for each in range(BATCH))
    sent = crowd.send(work)
    people = _ask(crowd, name, objective)
    return people, all_of(sent)


def test_batch_work_fills_what_is_idle_and_yields_to_people(serving, crowd, capsys):
    switch(serving, slow=SLOW)
    alone = _ask(crowd, "alone", "premium")
    people, work = _beside_batch(crowd, "yields", "premium", "best-effort")
    equals, others = _beside_batch(crowd, "equal", "best-effort", "best-effort")
    switch(serving, slow=1)
    assert {each.status for each in alone + people + work + equals + others} == {200}
    yields, equal = (mean(each.ttft_s for each in seen) for seen in (people, equals))
    with capsys.disabled():
        print("\nmean seconds to the first token of a person's request:")
        print(f"  alone                     {mean(each.ttft_s for each in alone):.2f}")
        print(f"  beside best-effort work   {yields:.2f}")
        print(f"  beside as much of equals  {equal:.2f}")
        print(f"{BATCH} requests of work took {_lasted(work):.1f} s, as equals {_lasted(others):.1f} s")
    assert yields < 0.6 * equal
    assert yields < mean(each.ttft_s for each in work), "the work waits for them"
    assert _lasted(work) < 1.5 * _lasted(others), "and takes what they leave"


def _lasted(seen: list[Answered]) -> float:
    return max(each.ended_s for each in seen) - min(each.began_s for each in seen)


def test_verify_proves_it(serving, proved):
    found = proved(serving)
    assert {found[code]["outcome"] for code in ("LV0801", "LV0802", "LV0803")} == {"pass"}
