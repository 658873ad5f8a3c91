"""Requests that share a prefix go where it is cached; a client sees one server that answers as vLLM does."""

from __future__ import annotations

import json
from itertools import cycle

import openai
import pytest

from tests.e2e.datapath.serving import Serving, curl, shared_prefix

MODEL = "Qwen/Qwen3-32B"
GROUPS = 6
ASKED = 6  # requests of each group
TOKENS = 640


@pytest.fixture
def serving(baseline: Serving) -> Serving:
    return baseline


def _rate(serving: Serving, before: tuple[float, float]) -> float:
    hits, queries = _counts(serving)
    return (hits - before[0]) / (queries - before[1])


def _counts(serving: Serving) -> tuple[float, float]:
    return (
        serving.total("aggregate", "vllm:prefix_cache_hits_total"),
        serving.total("aggregate", "vllm:prefix_cache_queries_total"),
    )


def test_shared_prefixes_are_found_far_more_often_than_by_round_robin(serving, client, record_property, capsys):
    before = _counts(serving)
    for turn in range(ASKED):
        for group in range(GROUPS):
            prompt = f"{shared_prefix(f'epp{group}', TOKENS)} question {turn}"
            client.completions.create(model=MODEL, prompt=prompt, max_tokens=2, temperature=0)
    routed = _rate(serving, before)

    before = _counts(serving)
    pods = cycle(serving.pods("aggregate"))
    for turn in range(ASKED):
        for group in range(GROUPS):
            prompt = f"{shared_prefix(f'robin{group}', TOKENS)} question {turn}"
            body = {"model": MODEL, "prompt": prompt, "max_tokens": 2, "temperature": 0}
            serving.ask_engine(next(pods), "aggregate", body)
        next(pods)  # else each group would always meet the same pod
    robin = _rate(serving, before)

    with capsys.disabled():
        print(f"\nprefix hit rate: {routed:.2f} through the endpoint picker, {robin:.2f} by round robin")
    assert routed > 0.7  # (ASKED - 1) / ASKED at best
    assert routed > robin + 0.2


def test_neither_verify_nor_doctor_finds_a_fault(serving, proved):
    proved(serving)


def test_a_stream_ends_with_its_usage_and_says_what_the_whole_answer_says(serving, client):
    asked = {"model": MODEL, "prompt": "tell me of prefixes", "max_tokens": 20, "temperature": 0}
    whole = client.completions.create(**asked)
    parts = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert "".join(part.choices[0].text for part in parts if part.choices) == whole.choices[0].text
    assert sum(1 for part in parts if part.choices) > 5, "it came in pieces"
    assert parts[-1].usage == whole.usage
    chat = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hello"}], max_tokens=5)
    assert chat.choices[0].finish_reason == "length"


def test_a_model_that_is_not_served_is_a_404_and_a_bad_request_a_400(serving, client):
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.completions.create(model="nobody/nothing", prompt="x", max_tokens=1)
    with pytest.raises(openai.BadRequestError):
        client.completions.create(model=MODEL, prompt="x", max_tokens=-1)


def test_curl_lists_the_model_and_streams(serving):
    status, body = curl(f"{serving.url}/v1/models")
    assert status == 200
    assert [each["id"] for each in json.loads(body)["data"]] == [MODEL]
    asked = json.dumps({"model": MODEL, "prompt": "x", "max_tokens": 3, "stream": True})
    status, body = curl(f"{serving.url}/v1/completions", "-H", "content-type: application/json", "-d", asked)
    assert status == 200
    assert body.rstrip().endswith("data: [DONE]")
