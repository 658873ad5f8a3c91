"""Prompts are computed on prefill pods, answers on decode pods, and the KV cache really goes from one to the other."""

from __future__ import annotations

import pytest

from tests.e2e.datapath.serving import Serving, shared_prefix

MODEL = "openai/gpt-oss-120b"
TOKENS = 700
COMPUTED = "vllm:prompt_tokens_by_source_total"


@pytest.fixture(scope="module")
def serving(serve):
    with serve("pd-disaggregation", MODEL, "--role", "prefill.replicas=2", "--role", "decode.replicas=2") as found:
        yield found


def _computed(serving: Serving, role: str) -> float:
    return serving.total(role, COMPUTED, source="local_compute")


def test_prompts_are_computed_on_prefill_pods_and_fetched_by_decode_pods(serving, client):
    prompts = [shared_prefix(f"pd{number}", TOKENS) for number in range(6)]
    before = _computed(serving, "prefill"), _computed(serving, "decode")
    for prompt in prompts:
        answer = client.completions.create(model=MODEL, prompt=prompt, max_tokens=12, temperature=0)
        assert answer.usage.prompt_tokens >= TOKENS
        assert answer.usage.completion_tokens == 12
    on_prefill = _computed(serving, "prefill") - before[0]
    on_decode = _computed(serving, "decode") - before[1]
    fetched = serving.total("decode", COMPUTED, source="external_kv_transfer")
    assert on_prefill >= 6 * TOKENS
    assert on_decode < 0.1 * on_prefill
    assert fetched >= 6 * TOKENS * 0.9


def test_the_text_is_that_of_one_engine_alone_streamed_or_not(serving, client):
    asked = {"model": MODEL, "prompt": shared_prefix("same", TOKENS), "max_tokens": 24, "temperature": 0}
    through = client.completions.create(**asked)
    streamed = "".join(part.choices[0].text for part in client.completions.create(**asked, stream=True) if part.choices)
    alone = serving.ask_engine(serving.pods("decode")[0], "decode", asked)
    assert through.choices[0].text == alone["choices"][0]["text"] == streamed
