"""A group of two pods with a server for every rank: each is an endpoint, and each is asked."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from tests.e2e.datapath.serving import Serving, shared_prefix
from tests.e2e.sandbox.objects import POOLS

MODEL = "Qwen/Qwen3-235B-A22B-FP8"
NODES, LOCAL = 2, 2  # pods of a group, ranks of a pod
RANKS = NODES * LOCAL
SMALL = (
    "--model", "qwen3-235b-a22b-fp8", "--set", f"global.llmd.dataParallelLocal={LOCAL}",
    "--role", f"decode.parallelism.data={RANKS}", "--role", f"prefill.parallelism.data={RANKS}",
    "--set", "scheduler.flags.refresh-metrics-interval=200ms",  # eight servers' metrics, on a small machine
)  # fmt: skip
PROMPT = "vllm:prompt_tokens_total"
SOURCE = "vllm:prompt_tokens_by_source_total"
MOST = 96  # requests until every rank must have had one
WORDS = 120


@pytest.fixture(scope="module")
def serving(serve):
    with serve("wide-ep", MODEL, *SMALL) as found:
        yield found


def _ranks(serving: Serving, role: str) -> Iterator[tuple[str, int]]:
    """Pod and port of each rank's own server, in the order of ranks: the leader's come first."""
    for pod in serving.pods(role):
        for rank in range(LOCAL):
            yield pod, serving.port(role) + rank


def _by_rank(serving: Serving, role: str, name: str, **labels: str) -> list[float]:
    """A metric of each rank; the label `engine` says which one it is."""
    told = (serving.scrape(pod, port, name) for pod, port in _ranks(serving, role))
    return [found.total(name, engine=str(rank), **labels) or 0.0 for rank, found in enumerate(told)]


def test_every_rank_of_both_groups_is_an_endpoint_and_is_asked(serving, real_node, client, proved, capsys):
    assert len(serving.pods("decode")) == len(serving.pods("prefill")) == NODES
    pool = real_node.api.get(POOLS.url(serving.release, namespace=serving.namespace))
    assert [port["number"] for port in pool["spec"]["targetPorts"]] == [8000, 8001]

    numbers = count()

    def ask(number: int) -> int:
        prompt = shared_prefix(f"wide{number}", WORDS)
        answer = client.completions.create(model=MODEL, prompt=prompt, max_tokens=4, temperature=0)
        return answer.usage.prompt_tokens

    tokens, decoded, prefilled = 0, [0.0], [0.0]
    with ThreadPoolExecutor(2 * RANKS) as clients:
        while not all(decoded) or not all(prefilled):
            batch = [next(numbers) for _ in range(2 * RANKS)]
            assert batch[-1] < MOST, f"decode ranks had {decoded} prompt tokens, prefill ranks {prefilled}"
            tokens += sum(clients.map(ask, batch))
            decoded, prefilled = _by_rank(serving, "decode", PROMPT), _by_rank(serving, "prefill", PROMPT)
    with capsys.disabled():
        print(f"\nprompt tokens by rank: decode {decoded}, prefill {prefilled}")
    assert sum(decoded) == sum(prefilled) == tokens
    assert sum(_by_rank(serving, "prefill", SOURCE, source="local_compute")) == tokens
    assert sum(_by_rank(serving, "decode", SOURCE, source="external_kv_transfer")) > 0.9 * tokens
    # No RDMA here, and a simulated engine has no transfer library that could say what it chose.
    found = proved(serving, unknown={"LV0701"})
    assert found["LV0302"]["outcome"] == found["LV0501"]["outcome"] == found["LV0502"]["outcome"] == "pass"


def test_the_last_rank_answers_as_the_first_does(serving, client):
    prompt = shared_prefix("same", WORDS)
    asked = {"model": MODEL, "prompt": prompt, "max_tokens": 16, "temperature": 0}
    texts = {serving.ask_engine(pod, "decode", asked)["choices"][0]["text"] for pod in serving.pods("decode")}
    texts.add(client.completions.create(**asked).choices[0].text)
    streamed = client.completions.create(**asked, stream=True)
    texts.add("".join(part.choices[0].text for part in streamed if part.choices))
    assert len(texts) == 1
