"""An endpoint picker that hears what engines cache knows what they have forgotten; one that remembers its own choices
does not. The same happens to two releases: prompts are placed, evicted, and computed again on the other pod.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

import openai
import pytest

from tests.e2e.datapath.serving import ALERT, Serving, shared_prefix
from tests.e2e.sandbox.objects import wait

MODEL = "Qwen/Qwen3-32B"
GROUPS = 4
WORDS = 190  # about eight blocks
BLOCKS = 64  # of 64 tokens, on each of two pods: all groups fit into one, and what is asked to learn what is heard
OTHERS = 9  # prompts of nobody's, which together fill a cache
SHORT = WORDS // 4
SMALL = (
    "--set", "global.llmd.blockSize=64", "--role", "aggregate.replicas=2", "--role", "aggregate.maxModelLen=2048",
    "--role", f"aggregate.args.num-gpu-blocks-override={BLOCKS}", "--set", "scheduler.replicas=1", *ALERT,
)  # fmt: skip
# EPP 0.7.1 and 0.9.0 believe their own choice for 2 s (speculativeTTL), and drop every 2 s what is older: 4 s at most.
FORGOTTEN_S = 2 * 2.0 + 2.0
PUBLISHED_S = 0.2  # by then the picker has read an event; where it has not, twice as long is tried, and so on
PROMPT = "vllm:prompt_tokens_total"
HITS = "vllm:prefix_cache_hits_total"


@dataclass(frozen=True)
class Pair:
    """Two releases that differ in how the endpoint picker knows of prefixes."""

    precise: Serving
    approximate: Serving


@pytest.fixture(scope="module")
def pair(serve) -> Iterator[Pair]:
    with contextlib.ExitStack() as both, ThreadPoolExecutor(2) as threads:
        started = [
            threads.submit(both.enter_context, serve(recipe, MODEL, *SMALL))
            for recipe in ("precise-prefix-cache", "optimized-baseline")
        ]
        precise, approximate = (each.result() for each in started)
        yield Pair(precise=precise, approximate=approximate)


def _counts(serving: Serving, name: str) -> dict[str, float]:
    return {pod: found.total(name) or 0.0 for pod, found in serving.metrics("aggregate", name).items()}


def _moved(before: dict[str, float], after: dict[str, float]) -> str:
    """The one pod that has counted."""
    (pod,) = (pod for pod in after if after[pod] > before[pod])
    return pod


def _body(prompt: str) -> dict[str, object]:
    return {"model": MODEL, "prompt": prompt, "max_tokens": 1, "temperature": 0}


def _homes(serving: Serving, prompts: list[str], ask: Callable[[str], object]) -> dict[str, str]:
    """Where each prompt was sent."""
    homes = {}
    before = _counts(serving, PROMPT)
    for prompt in prompts:
        ask(prompt)
        after = _counts(serving, PROMPT)
        homes[prompt] = _moved(before, after)
        before = after
    return homes


def _asking(serving: Serving) -> Callable[[str], object]:
    """A client that asks the release as a whole."""
    client = openai.OpenAI(base_url=f"{serving.url}/v1", api_key="none", max_retries=0, timeout=30)
    return lambda prompt: client.completions.create(model=MODEL, prompt=prompt, max_tokens=1, temperature=0)


def _until_heard(serving: Serving) -> None:
    """Until the endpoint picker has heard of all that both engines cache now: of each it hears in order.

    EPP 0.7 subscribes to a pod when it first considers it, and hears nothing of what was cached before it has.
    """
    rounds, ask = count(1), _asking(serving)

    def heard() -> bool:
        """Whether prompts that engines were given directly are found where they lie, four times in a row."""
        turn = next(rounds)
        for number, pod in enumerate(serving.pods("aggregate") * 2):
            prompt = shared_prefix(f"heard{time.monotonic()}x{number}", SHORT)
            serving.ask_engine(pod, "aggregate", _body(prompt))
            time.sleep(turn * PUBLISHED_S)
            if _homes(serving, [prompt], ask)[prompt] != pod:
                return False
        return True

    wait("an endpoint picker that hears of both engines", heard, limit_s=60)


def _rate_after_eviction(serving: Serving, hears: bool) -> float:
    """The part of prompt tokens that is found in a cache, when prompts lie elsewhere than where they were sent.

    `hears`: the endpoint picker is told of it, and asked once it has been.
    """
    ask = _asking(serving)
    prompts = [shared_prefix(f"precise{number}", WORDS) for number in range(GROUPS)]
    homes = _homes(serving, prompts, ask)
    sent_s = time.monotonic()
    pods = serving.pods("aggregate")
    for pod in pods:  # prompts of nobody's, until each cache has nothing else
        for number in range(OTHERS):
            serving.ask_engine(pod, "aggregate", _body(shared_prefix(f"{pod[-3:]}x{number}", WORDS)))
    for prompt, home in homes.items():
        (other,) = set(pods) - {home}
        serving.ask_engine(other, "aggregate", _body(prompt))
    time.sleep(max(0.0, sent_s + FORGOTTEN_S - time.monotonic()))
    if hears:
        _until_heard(serving)
    hits, tokens = _counts(serving, HITS), _counts(serving, PROMPT)
    for prompt in prompts:
        ask(f"{prompt} and what then")
    found, asked = _counts(serving, HITS), _counts(serving, PROMPT)
    return (sum(found.values()) - sum(hits.values())) / (sum(asked.values()) - sum(tokens.values()))


def test_after_an_eviction_precise_routing_finds_what_approximate_routing_looks_for_in_vain(pair, proved, capsys):
    _until_heard(pair.precise)
    with ThreadPoolExecutor(2) as threads:
        precise, approximate = threads.map(_rate_after_eviction, (pair.precise, pair.approximate), (True, False))
    with capsys.disabled():
        print(f"\nprefix hit rate after an eviction: {precise:.2f} precise, {approximate:.2f} approximate")
    assert precise > 0.7
    assert precise > approximate + 0.4
    events = proved(pair.precise)["LV0601"]
    assert events["outcome"] == "pass", events
