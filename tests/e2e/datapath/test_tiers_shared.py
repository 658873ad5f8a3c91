"""A block that one pod stored is read by another, which never saw the prompt."""

from __future__ import annotations

import pytest

from tests.e2e.datapath.serving import shared_prefix

MODEL = "Qwen/Qwen3-32B"
WORDS = 300
MOVED = "vllm:mooncake_store_operation_bytes_total"
CACHED = "vllm:prompt_tokens_cached_by_source_total"
COMPUTED = "vllm:prompt_tokens_by_source_total"


@pytest.fixture(scope="module")
def serving(serve):
    with serve("shared-kv-cache", MODEL, "--role", "aggregate.replicas=2") as found:
        yield found


def test_a_prompt_that_one_pod_computed_is_read_by_another(serving, client, proved, capsys):
    asked = {"model": MODEL, "prompt": shared_prefix("shared", WORDS), "max_tokens": 8, "temperature": 0}
    answer = client.completions.create(**asked)
    tokens = answer.usage.prompt_tokens
    found = serving.metrics("aggregate")
    (writer,) = (pod for pod, each in found.items() if each.total("vllm:prompt_tokens_total"))
    (reader,) = set(found) - {writer}
    assert found[writer].total(MOVED, operation="save_put") > 0
    assert not found[reader].total(MOVED)

    again = serving.ask_engine(reader, "aggregate", asked)
    after = serving.metrics("aggregate")
    read = after[reader].total(CACHED, source="external_unspecified")
    computed = after[reader].total(COMPUTED, source="local_compute")
    with capsys.disabled():
        print(f"\nof {tokens} tokens that {writer} computed, {reader} read {read:.0f} and computed {computed:.0f}")
    assert again["choices"][0]["text"] == answer.choices[0].text
    assert read > 0.9 * tokens
    assert computed < 0.1 * tokens
    assert after[reader].total(MOVED, operation="load_get") > 0
    assert after[writer].total(MOVED, operation="load_get") == 0
    # No RDMA here, and a simulated engine has no transfer library that could say what it chose.
    found = proved(serving, unknown={"LV0701"})
    assert found["LV0602"]["outcome"] == found["LV0603"]["outcome"] == "pass"
