"""While all engines are full requests wait in the endpoint picker: the important first, tenants in turn, not for ever.

With an endpoint picker 0.7 it is the optimized baseline with flow control switched on, because the recipe flow-control
limits numbers of requests, which that version cannot; with a newer one the recipe as it stands.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest

from llmdctl.prometheus import Exposition
from tests.e2e.datapath.crowd import Asking, Crowd, all_of, mean, standstill
from tests.e2e.datapath.serving import ALERT, Serving, curl, flags
from tests.e2e.sandbox.objects import wait

MODEL = "Qwen/Qwen3-32B"
TTL_S = 10.0  # the tests before wait for two seconds, on a busy machine for more, and nothing may expire in them
SWEEP_S = 1.0  # how often the endpoint picker looks for requests whose time is over
BATCH = 4  # requests that the engine runs at a time; one engine, so that answers come in the order of the queue
FILLERS = BATCH + 3
WAITING = 1  # in the engine, with a threshold of one: full
EACH = 8  # requests of a class
SHOP = "shop"  # a tenant, told from the requests that fill the engine
MANY, FEW = 16, 4  # requests of two tenants
QUEUE_SIZE = {"0.7": "inference_extension_flow_control_queue_size"}
QUEUE_SECONDS = {"0.7": "inference_extension_flow_control_request_queue_duration_seconds"}

SETTINGS = {
    "modelserver.roles.aggregate.args.max-num-seqs": BATCH,
    "scheduler.flowControl.requestTtlSeconds": int(TTL_S),
    "scheduler.flowControl.queueDepthThreshold": 1,
    "scheduler.metricsAuth": "false",
    "scheduler.flags.v": 5,  # it says who waits, and whom it lets go
}
BANDS = {"premium": 100, "standard": 0, "best-effort": -10}
OLD = {"global.llmd.flowControl": "true"} | {
    setting: value
    for name, priority in BANDS.items()
    for setting, value in (
        (f"scheduler.flowControl.priorityBands.{name}.priority", priority),
        (f"scheduler.flowControl.priorityBands.{name}.fairness", "round-robin"),
        (f"scheduler.flowControl.priorityBands.{name}.ordering", "fcfs"),
        (f"scheduler.objectives.{name}.priority", priority),
    )
}


@pytest.fixture(scope="module")
def serving(picker_dialect, serve) -> Iterator[Serving]:
    recipe, settings = ("optimized-baseline", SETTINGS | OLD) if picker_dialect == "0.7" else ("flow-control", SETTINGS)
    with serve(recipe, MODEL, "--role", "aggregate.replicas=1", *ALERT, *flags(settings)) as found:
        yield found


@pytest.fixture(scope="module")
def crowd(serving, picker_dialect) -> Crowd:
    return Crowd(serving=serving, dialect=picker_dialect)


@pytest.fixture(scope="module")
def queued(serving, picker_dialect) -> Callable[..., int]:
    """`queued(priority="-10")`: how many wait in the endpoint picker."""

    def waiting(**labels: str) -> int:
        name = QUEUE_SIZE.get(picker_dialect, "llm_d_epp_flow_control_queue_size")
        return int(picker(serving, name).total(name, **labels) or 0)

    return waiting


def picker(serving: Serving, name: str) -> Exposition:
    """What the one endpoint picker exposes of a metric."""
    (pod,) = serving.pods("epp")
    return serving.scrape(pod, 9090, name)


def let_go(log: Sequence[str], number: int) -> list[tuple[str, str]]:
    """The last requests that the endpoint picker sent on, in its order, as (tenant, priority); by its own log.

    Once no engine is full it sends all that wait within milliseconds. On their way through the proxy they overtake each
    other, so that the order of their answers says nothing about its choice.
    """
    return [_flow(line) for line in _said(log, "Item dispatched.")[-number:]]


def picker_log(serving: Serving) -> Sequence[str]:
    """What the endpoint picker has said: a line and more for each millisecond in which requests wait."""
    (pod,) = serving.pods("epp")
    return serving.cluster.logs(serving.namespace, pod, "epp", lines=20_000)


def _said(log: Sequence[str], what: str) -> list[dict[str, Any]]:
    """The lines with this message."""
    return [json.loads(line) for line in log if f'"{what}"' in line]


def identifiers(log: Sequence[str], what: str) -> list[str]:
    """Those of the requests in the lines with this message; version 0.7 has another name for them."""
    return [line.get("requestID") or line["reqID"] for line in _said(log, what)]


def _flow(line: dict[str, Any]) -> tuple[str, str]:
    tenant, _, priority = str(line["flowKey"]).partition(":")
    return tenant, str(int(priority) - 2**64) if int(priority) > 2**63 else priority


def places(flows: Iterable[tuple[str, str]], flow: tuple[str, str]) -> list[int]:
    """The places of one flow among all, from 1."""
    return [place for place, each in enumerate(flows, 1) if each == flow]


def _ask(number: int, start: str, objective: str = "", tenant: str = "") -> list[Asking]:
    named = f"{start} {objective} {tenant}"
    return [Asking(prompt=f"{named} {each}", objective=objective, tenant=tenant) for each in range(number)]


def _waits(serving: Serving, dialect: str, priority: int) -> float:
    """Seconds that requests of a class waited in the endpoint picker so far, on average, as it says itself."""
    seconds, number = (_waited(serving, dialect, priority, of, fairness_id=SHOP) for of in ("sum", "count"))
    return seconds / (number or 1)


def _waited(serving: Serving, dialect: str, priority: int, of: str, **labels: str) -> float:
    """How long (`sum`, in seconds) requests of a class waited in the endpoint picker so far, or how many (`count`)."""
    name = f"{QUEUE_SECONDS.get(dialect, 'llm_d_epp_flow_control_request_queue_duration_seconds')}_{of}"
    return picker(serving, name).total(name, priority=str(priority), **labels) or 0.0


def test_who_matters_more_is_answered_first_though_it_came_last(serving, crowd, queued, picker_dialect, capsys):
    sent = []
    with standstill(serving, crowd, fillers=FILLERS, waiting=WAITING):
        for name, priority in reversed(BANDS.items()):
            sent += crowd.send(_ask(EACH, "order", name, SHOP))
            wait(f"{name} in the queue", lambda: queued(priority=str(priority), fairness_id=SHOP) >= EACH, limit_s=10)  # noqa: B023
    assert {each.status for each in all_of(sent)} == {200}
    chosen = let_go(picker_log(serving), 3 * EACH)
    order = {name: places(chosen, (SHOP, str(priority))) for name, priority in BANDS.items()}
    waits = {name: _waits(serving, picker_dialect, priority) for name, priority in BANDS.items()}
    with capsys.disabled():
        print(f"\nmean place among {3 * EACH} that were sent on, and mean wait in the endpoint picker:")
        for name in BANDS:
            print(f"  {name:12} {mean(order[name]):5.1f}  {waits[name]:5.2f} s")
    assert order == {name: list(range(first, first + EACH)) for first, name in zip((1, 9, 17), BANDS, strict=True)}
    assert waits["premium"] < waits["standard"] < waits["best-effort"]
    assert queued() == 0


def test_verify_proves_it(serving, proved):
    found = proved(serving)
    assert {found[code]["outcome"] for code in ("LV0801", "LV0802", "LV0803")} == {"pass"}


def test_a_tenant_that_comes_late_does_not_wait_behind_all_of_another(serving, crowd, queued, capsys):
    def log_of(first: str, second: str) -> Sequence[str]:
        with standstill(serving, crowd, fillers=FILLERS, waiting=WAITING):
            sent = crowd.send(_ask(MANY, f"fair many {first}", tenant=first))
            wait("the first tenant in the queue", lambda: queued() >= MANY, limit_s=10)
            sent += crowd.send(_ask(FEW, f"fair few {second}", tenant=second))
            wait("both in the queue", lambda: queued() >= MANY + FEW, limit_s=10)
        assert {each.status for each in all_of(sent)} == {200}
        return picker_log(serving)

    flows = let_go(log_of("alice", "bob"), MANY + FEW)
    few, many = places(flows, ("bob", "0")), places(flows, ("alice", "0"))
    assert (len(few), len(many)) == (FEW, MANY)
    log = log_of("carol", "carol")
    assert let_go(log, MANY + FEW) == [("carol", "0")] * (MANY + FEW)
    came, went = (identifiers(log, f"Item {what}.")[-MANY - FEW :] for what in ("enqueued", "dispatched"))
    with capsys.disabled():
        print(f"\nmean place of {MANY} requests, and of {FEW} that came after them:")
        print(f"  two tenants  {mean(many):5.1f}  {mean(few):5.1f}")
    assert few in ([1, 3, 5, 7], [2, 4, 6, 8]), "in turn: every second place until there are no more"
    assert went == came, "of one tenant: first come, first served"


def test_who_waits_too_long_is_told_so(serving, crowd, queued, picker_dialect, capsys):
    header = crowd.headers(Asking(prompt="", objective="premium"))
    words = [word for name, value in header.items() for word in ("-H", f"{name}: {value}")]
    asked = json.dumps({"model": MODEL, "prompt": "nobody has room", "max_tokens": 1})
    before_s = _waited(serving, picker_dialect, BANDS["premium"], "sum")
    with standstill(serving, crowd, fillers=FILLERS, waiting=WAITING):
        sent = crowd.send(_ask(60, "too many", "best-effort")) if picker_dialect != "0.7" else []
        began_s = time.monotonic()
        status, body = curl(
            f"{serving.url}/v1/completions", "-H", "content-type: application/json", *words, "-d", asked
        )
        took_s = time.monotonic() - began_s
        wait("nobody in the queue", lambda: queued() == 0, limit_s=5)
    queued_s = _waited(serving, picker_dialect, BANDS["premium"], "sum") - before_s
    with capsys.disabled():
        print(f"\nafter {queued_s:.1f} s in the queue (limit {TTL_S:.0f} s): {status} {body.strip()[:120]}")
    assert status == 503
    assert "timed out in queue" in body or "TTL" in body
    assert TTL_S - 0.2 <= queued_s <= TTL_S + SWEEP_S + 1, "as the picker says: starting a client takes its time too"
    assert queued_s <= took_s < 2 * TTL_S, "the client is told so, though nobody has room yet"
    ended = [each.result().status for each in sent]
    assert sorted(ended) == ([429] * 10 + [503] * 50 if sent else []), "the recipe lets 50 of the lowest class wait"
