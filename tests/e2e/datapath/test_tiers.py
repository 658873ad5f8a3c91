"""Blocks that no longer fit into the accelerator's memory wait in the host's, and come back from there."""

from __future__ import annotations

import pytest

from tests.e2e.datapath.serving import Serving, shared_prefix

MODEL = "Qwen/Qwen3-32B"
GROUPS = 8
WORDS = 230
BLOCKS = 96  # of 16 tokens: two such prompts and a half fill the cache of a pod
SMALL = (
    "--role", "aggregate.replicas=2", "--role", "aggregate.maxModelLen=1024",
    "--role", f"aggregate.args.num-gpu-blocks-override={BLOCKS}",
)  # fmt: skip
STORED = "vllm:kv_offload_store_bytes_total"
LOADED = "vllm:kv_offload_load_bytes_total"
CACHED = "vllm:prompt_tokens_cached_by_source_total"


@pytest.fixture(scope="module")
def serving(serve):
    with serve("tiered-prefix-cache", MODEL, *SMALL) as found:
        yield found


def _counts(serving: Serving) -> dict[str, float]:
    found = list(serving.metrics("aggregate").values())

    def total(name: str, **labels: str) -> float:
        return sum(each.total(name, **labels) or 0.0 for each in found)

    return {
        "prompt": total("vllm:prompt_tokens_total"),
        "computed": total("vllm:prompt_tokens_by_source_total", source="local_compute"),
        "device": total("vllm:prefix_cache_hits_total"),
        "host": total(CACHED, source="host"),
        "stored": total(STORED),
        "loaded": total(LOADED),
    }


def test_what_the_accelerator_forgot_comes_back_from_main_memory(serving, client, proved, capsys):
    prompts = [shared_prefix(f"tier{number}", WORDS) for number in range(GROUPS)]

    def ask(prompt: str) -> str:
        return client.completions.create(model=MODEL, prompt=prompt, max_tokens=8, temperature=0).choices[0].text

    first = [ask(prompt) for prompt in prompts]
    before = _counts(serving)
    assert before["prompt"] > 2 * BLOCKS * 16, "together they are more than the caches of both pods hold"
    assert before["stored"] > 0
    assert before["loaded"] == before["host"] == 0
    assert [ask(prompt) for prompt in prompts] == first
    after = _counts(serving)
    by = {key: (after[key] - before[key]) / (after["prompt"] - before["prompt"]) for key in after}
    with capsys.disabled():
        print(
            f"\nprompts that came back: {by['host']:.0%} from main memory, {by['device']:.0%} in the accelerator's,"
            f" {by['computed']:.0%} computed again"
        )
    assert by["host"] > 0.6
    assert by["computed"] < 0.2
    assert after["loaded"] > 0
    found = proved(serving)
    assert found["LV0602"]["outcome"] == found["LV0603"]["outcome"] == found["LV0402"]["outcome"] == "pass"
