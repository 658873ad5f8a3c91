"""The same load under two ways of scheduling: one computes fewer tokens, the other lets nobody wait.

Many requests share most of their prompt. `throughput` sends them all where that part is cached, and they wait for each
other; `latency` computes it once more on the idle engine. An endpoint picker 0.7 has no `latency`: there it is
`balanced`, the way of the recipe, that must not pile them up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.datapath.crowd import Asking, Crowd, all_of, mean, places, switch
from tests.e2e.datapath.serving import QUICK, Serving, flags, llmdctl, shared_prefix

MODEL = "Qwen/Qwen3-32B"
RECIPE = "optimized-baseline"
SHARED, OWN = 450, 300  # words: half of the prompt is shared
CLIENTS, ASKED = 8, 4  # requests of each, one after the other; one client more asks for something short
SLOW = 2.0  # 10,000 tokens of a prompt a second
SETTINGS = {
    "modelserver.roles.aggregate.args.max-num-batched-tokens": 1024,  # short steps: queues are reported after each
    "modelserver.roles.aggregate.args.max-num-seqs": 2,
    "scheduler.metricsAuth": "false",
}
WORDS = ("--role", "aggregate.replicas=2", *flags(SETTINGS))
COMPUTED = "vllm:prompt_tokens_by_source_total"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a way of scheduling came to."""

    waits: tuple[float, ...]  # seconds to the first token, of those that share a prefix
    lone: tuple[float, ...]  # of the others
    place: float  # mean, of the others in the order of first tokens
    busiest: float  # part of all requests that one engine got
    computed: float  # prompt tokens


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
    before, answers = _computed(serving), _answered(serving)
    own = (f"{name}own{client}x" for client in range(CLIENTS))
    clients = [
        [Asking(prompt=f"{prefix} {shared_prefix(f'{each}{turn}', OWN)}") for turn in range(ASKED)] for each in own
    ]
    clients.append([Asking(prompt=f"lone {name} {turn}") for turn in range(ASKED)])
    answered = crowd.in_turn(clients)
    assert {each.status for each in answered} == {200}
    lone = places(answered, lambda asking: asking.prompt.startswith("lone"))
    return Seen(
        waits=tuple(each.ttft_s for each in answered if not each.asking.prompt.startswith("lone")),
        lone=tuple(each.ttft_s for each in answered if each.asking.prompt.startswith("lone")),
        place=mean(lone),
        busiest=max(after - was for after, was in zip(_answered(serving), answers, strict=True)) / len(answered),
        computed=_computed(serving) - before,
    )


def _computed(serving: Serving) -> float:
    return serving.total("aggregate", COMPUTED, source="local_compute")


def _answered(serving: Serving) -> list[float]:
    """Requests that each engine has answered."""
    return [found.total("vllm:request_success_total") or 0.0 for found in serving.metrics("aggregate").values()]


def test_one_saves_work_and_the_other_time(serving, gentle, picker_dialect, real_node, capsys):
    crowd = Crowd(serving=serving, dialect=picker_dialect)
    switch(serving, slow=SLOW)
    saving = _load(serving, crowd, "saver")
    kubeconfig = Path(real_node.kubeconfig)
    llmdctl(
        "install", RECIPE, serving.release, "-n", serving.namespace, "--accelerator", "h200", "-f",
        str(real_node.values), *QUICK, "--scheduling", gentle, *WORDS, "--timeout", "60", kubeconfig=kubeconfig,
    )  # fmt: skip
    quick = _load(serving, crowd, "quick")
    switch(serving, slow=1)
    with capsys.disabled():
        print(f"\n{CLIENTS * ASKED} requests that share a prefix and {ASKED} short ones, seconds to the first token:")
        for name, seen in (("throughput", saving), (gentle, quick)):
            print(
                f"  {name:10} mean {mean(seen.waits):.2f}, worst {max(seen.waits):.2f}; short {mean(seen.lone):.2f}"
                f" (mean place {seen.place:.1f}); {seen.computed:.0f} tokens computed, {seen.busiest:.0%} on one engine"
            )
    assert saving.busiest > 0.8 > quick.busiest
    assert mean(quick.waits) < 0.8 * mean(saving.waits)
    assert quick.computed > saving.computed, "what they share is computed on both engines"


def test_verify_proves_it(serving, proved):
    proved(serving)
