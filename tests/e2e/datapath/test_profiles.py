"""The same requests under two ways of scheduling: one computes fewer tokens, the other lets nobody wait for all others.

Many requests share half of their prompt. `throughput` sends them all where that half is cached, and they wait for each
other; `latency` computes it once more on the idle engine. An endpoint picker 0.7 has no `latency`: there it is
`balanced`, the way of the recipe, that must not pile them up. Engines are full while the requests come, and
the picker has seen each before the next one comes: where they go does not depend on how fast this machine is.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.datapath.crowd import Answered, Asking, Crowd, all_of, mean, switch
from tests.e2e.datapath.serving import QUICK, Serving, flags, llmdctl, shared_prefix
from tests.e2e.sandbox.objects import wait

MODEL = "Qwen/Qwen3-32B"
RECIPE = "optimized-baseline"
SHARED, OWN = 450, 300  # words: half of the prompt is shared
ASKED = 12
AT_A_TIME = 2  # requests that an engine runs
SLOW = 50.0  # a step of the requests that fill the engines lasts 55 ms, and its end is when a queue is told
SEEN = {"0.7": "inference_pool_per_pod_queue_size"}  # of each engine, as the endpoint picker last saw it
SETTINGS = {
    "modelserver.roles.aggregate.args.max-num-batched-tokens": 1024,
    "modelserver.roles.aggregate.args.max-num-seqs": AT_A_TIME,
    "scheduler.metricsAuth": "false",
}
WORDS = ("--role", "aggregate.replicas=2", *flags(SETTINGS))
COMPUTED = "vllm:prompt_tokens_by_source_total"
ANSWERED = "vllm:request_success_total"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a way of scheduling came to."""

    waits: tuple[float, ...]  # seconds to the first token, from when the engines go on
    busiest: float  # part of all requests that one engine got
    computed: float  # prompt tokens
    longest: float  # prompt tokens that one engine computed: the last request waits for all of them


@pytest.fixture(scope="module")
def gentle(picker_dialect) -> str:
    return "balanced" if picker_dialect == "0.7" else "latency"


@pytest.fixture(scope="module")
def serving(serve) -> Iterator[Serving]:
    with serve(RECIPE, MODEL, "--scheduling", "throughput", *WORDS) as found:
        yield found


def _load(serving: Serving, crowd: Crowd, name: str) -> Seen:
    prefix = shared_prefix(name, SHARED)
    (first,) = all_of(crowd.send([Asking(prompt=f"{prefix} {shared_prefix(f'{name}first', OWN)}")]))
    assert first.status == 200
    with _full(serving):
        before, answers = _computed(serving), _by_engine(serving, ANSWERED, finished_reason="length")
        own = (f"{prefix} {shared_prefix(f'{name}{turn}', OWN)}" for turn in range(ASKED))
        sent = [_placed(serving, crowd, prompt, before=turn) for turn, prompt in enumerate(own)]
    began_s = time.monotonic()
    answered = all_of(sent)
    assert {each.status for each in answered} == {200}
    computed = [after - was for after, was in zip(_computed(serving), before, strict=True)]
    asked = zip(_by_engine(serving, ANSWERED, finished_reason="length"), answers, strict=True)
    return Seen(
        waits=tuple(each.first_s - began_s for each in answered),
        busiest=max(after - was for after, was in asked) / ASKED,
        computed=sum(computed),
        longest=max(computed),
    )


@contextlib.contextmanager
def _full(serving: Serving) -> Iterator[None]:
    """Every engine runs as many requests as it can until the end of the context, and whatever else comes waits."""
    switch(serving, slow=SLOW)
    asked = {"model": MODEL, "max_tokens": 8000, "ignore_eos": True, "stream": True}
    with contextlib.ExitStack() as opened:
        for number, pod in enumerate(serving.pods("aggregate") * AT_A_TIME):
            body = json.dumps(asked | {"prompt": f"filler {number}"}).encode()
            stream = serving.cluster.pods.stream(
                serving.namespace, pod, serving.port("aggregate"), "POST", "/v1/completions",
                body=body, headers={"content-type": "application/json"},
            )  # fmt: skip
            opened.enter_context(contextlib.closing(stream))
        running = "vllm:num_requests_running"
        wait("full engines", lambda: set(_by_engine(serving, running)) == {float(AT_A_TIME)})
        yield
        switch(serving, slow=1)


def _placed(serving: Serving, crowd: Crowd, prompt: str, *, before: int) -> Future[Answered]:
    """Sent when `before` others wait; with an engine, and seen there by the picker."""
    (sent,) = crowd.send([Asking(prompt=prompt)])
    wait("the request at an engine", lambda: _waiting(serving) > before)
    wait("the picker to see it there", lambda: _seen(serving, crowd.dialect) > before)
    return sent


def _seen(serving: Serving, dialect: str) -> float:
    """How many wait, as the endpoint picker says itself."""
    (pod,) = serving.pods("epp")
    name = SEEN.get(dialect, "llm_d_epp_per_endpoint_queue_size")
    return serving.scrape(pod, 9090, name).total(name) or 0.0


def _waiting(serving: Serving) -> float:
    return serving.total("aggregate", "vllm:num_requests_waiting")


def _computed(serving: Serving) -> list[float]:
    return _by_engine(serving, COMPUTED, source="local_compute")


def _by_engine(serving: Serving, name: str, **labels: str) -> list[float]:
    return [found.total(name, **labels) or 0.0 for found in serving.metrics("aggregate", name).values()]


def test_one_saves_work_and_the_other_time(serving, gentle, picker_dialect, real_node, capsys):
    crowd = Crowd(serving=serving, dialect=picker_dialect)
    saving = _load(serving, crowd, "saver")
    kubeconfig = Path(real_node.kubeconfig)
    llmdctl(
        "install", RECIPE, serving.release, "-n", serving.namespace, "--accelerator", "h200", "-f",
        str(real_node.values), *QUICK, "--scheduling", gentle, *WORDS, "--timeout", "60", kubeconfig=kubeconfig,
    )  # fmt: skip
    quick = _load(serving, crowd, "quick")
    with capsys.disabled():
        print(f"\n{ASKED} requests that share a prefix, seconds to the first token:")
        for name, seen in (("throughput", saving), (gentle, quick)):
            print(
                f"  {name:10} mean {mean(seen.waits):.2f}, worst {max(seen.waits):.2f}; {seen.computed:.0f} tokens"
                f" computed, {seen.longest:.0f} of them on one engine, with {seen.busiest:.0%} of the requests"
            )
    assert saving.busiest > 0.8 > quick.busiest
    assert quick.longest < 0.8 * saving.longest, "so much sooner is the last one answered"
    assert quick.computed > saving.computed, "what they share is computed on both engines"


def test_verify_proves_it(serving, proved):
    proved(serving)
