"""The simulated engine against what a real vLLM 0.32.0 answered: shapes, codes, words of errors, names of metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.process import Server, engine

RECORDED = Path(__file__).resolve().parents[1] / "fixtures" / "vllm-0.32"
NOT_SIMULATED = {
    "vllm:estimated_flops_per_gpu": "no model, no operations",
    "vllm:estimated_read_bytes_per_gpu": "no model, no memory traffic",
    "vllm:estimated_write_bytes_per_gpu": "no model, no memory traffic",
    "vllm:admission_rejections": "counts refusals by --max-num-queued-*, which have no effect here",
}
TEXT = "the quick brown fox jumps over the lazy dog. " * 26
COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "hello"}]
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}
ASKED: dict[str, tuple[str, Any]] = {
    "completion": (COMPLETIONS, {"model": "tiny", "prompt": TEXT, "max_tokens": 8}),
    "completion-tokens": (COMPLETIONS, {"model": "tiny", "prompt": [1, 2, 3], "max_tokens": 2}),
    "completion-n": (COMPLETIONS, {"model": "tiny", "prompt": "a b", "max_tokens": 2, "n": 8}),
    "completion-logprobs": (COMPLETIONS, {"model": "tiny", "prompt": "a b", "max_tokens": 2, "logprobs": 2}),
    "completion-stream": (COMPLETIONS, {"model": "tiny", "prompt": "a b", "max_tokens": 4, **STREAMED}),
    "chat": (CHAT, {"model": "tiny", "messages": MESSAGES, "max_tokens": 4}),
    "chat-stream": (
        CHAT,
        {
            "model": "tiny",
            "messages": MESSAGES,
            "max_tokens": 4,
            "stream": True,
            "stream_options": {"include_usage": True},
        },
    ),
    "tokenize": ("/tokenize", {"model": "tiny", "prompt": "hello world"}),
    "detokenize": ("/detokenize", {"model": "tiny", "tokens": [1, 2]}),
    "models": ("/v1/models", None),
    "version": ("/version", None),
    "load": ("/load", None),
    "health": ("/health", None),
    "ping": ("/ping", None),
}
REFUSED: dict[str, tuple[str, Any]] = {
    "err-model": (COMPLETIONS, {"model": "nope", "prompt": "x"}),
    "err-context": (COMPLETIONS, {"model": "tiny", "prompt": "a " * 4000, "max_tokens": 1}),
    "err-json": (COMPLETIONS, b'{"model":}'),
    "err-missing": (COMPLETIONS, {"model": "tiny", "max_tokens": 1}),
    "err-temp": (COMPLETIONS, {"model": "tiny", "prompt": "x", "temperature": -3}),
    "err-neg": (COMPLETIONS, {"model": "tiny", "prompt": "x", "max_tokens": -1}),
    "err-type": (COMPLETIONS, {"model": "tiny", "prompt": "x", "max_tokens": "many"}),
    "err-toolong": (COMPLETIONS, {"model": "tiny", "prompt": "x", "max_tokens": 99999}),
    "err-path": ("/v1/nothing", None),
    "err-method": (COMPLETIONS, None),
    "lora-load": ("/v1/load_lora_adapter", {"lora_name": "x", "lora_path": "/x"}),
}
pytestmark = pytest.mark.allow_loopback


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    words = (
        "serve ./tiny --served-model-name tiny tiny-alias --max-model-len 2048 --max-num-seqs 8 --enforce-eager"
        " --dtype bfloat16 --block-size 32 --num-gpu-blocks-override 96"
    )
    with engine(*words.split()) as running:
        yield running


def status(name: str) -> int:
    return int((RECORDED / f"{name}.headers").read_text().split()[1])


def shape(value: Any) -> Any:
    """Keys and types; of a list, the shapes that it holds."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        shapes = [shape(inner) for inner in value]
        return [each for at, each in enumerate(shapes) if each not in shapes[:at]]
    return type(value).__name__


def chunks(body: bytes) -> list[Any]:
    lines = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


@pytest.mark.parametrize("name", [name for name in ASKED if "stream" not in name])
def test_an_answer_has_the_shape_of_the_real_one(server: Server, name: str) -> None:
    path, body = ASKED[name]
    answer = server.ask(path, body)
    assert answer.status == status(name)
    recorded = (RECORDED / f"{name}.body").read_bytes()
    if not recorded:
        assert not answer.body
        return
    theirs, ours = json.loads(recorded), answer.document
    if name == "completion-logprobs":  # keys of this one are words
        for each in (theirs, ours):
            each["choices"][0]["logprobs"]["top_logprobs"] = []
    assert shape(ours) == shape(theirs)


@pytest.mark.parametrize("name", ["completion-stream", "chat-stream"])
def test_a_stream_has_the_shape_of_the_real_one(server: Server, name: str) -> None:
    path, body = ASKED[name]
    answer = server.ask(path, body)
    theirs = chunks((RECORDED / f"{name}.body").read_bytes())
    ours = chunks(answer.body)
    assert shape(ours) == shape(theirs)
    assert len(ours) == len(theirs)
    assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_that_of_the_real_one_word_for_word(server: Server, name: str) -> None:
    path, body = REFUSED[name]
    answer = server.ask(path, body)
    assert answer.status == status(name)
    assert answer.document == json.loads((RECORDED / f"{name}.body").read_bytes())


FAMILY = re.compile(r"# TYPE (vllm:\S+) (\S+)")
SERIES = re.compile(r"(vllm:[a-z_]+)\{(.*)\} ")


def families(text: str) -> dict[str, str]:
    return {name: kind for name, kind in FAMILY.findall(text) if not name.endswith("_created")}


def labels(text: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, stated in SERIES.findall(text):
        found.setdefault(name, set()).update(re.findall(r'([a-z_]+)="', stated))
    return found


def test_metrics_have_the_names_types_labels_and_buckets_of_the_real_ones(server: Server) -> None:
    theirs, ours = (RECORDED / "metrics-after.txt").read_text(), server.ask("/metrics").body.decode()
    known, made = families(theirs), families(ours)
    left_out = {name for name in known if name.removesuffix("_total") in NOT_SIMULATED}
    assert made == {name: kind for name, kind in known.items() if name not in left_out}
    wanted = labels(theirs)
    for name, stated in labels(ours).items():
        if name != "vllm:cache_config_info":
            assert stated == wanted[name], name
    edges = re.compile(r'(vllm:\S+)_bucket\{.*le="([^"]+)"')
    assert set(edges.findall(ours)) == set(edges.findall(theirs))


def test_prefix_hits_are_counted_as_the_real_one_counts_them() -> None:
    """Recorded: two requests of 261 tokens, blocks of 32: 522 queries, 256 hits (the last token is always computed)."""
    with engine(
        *["serve", "m", "--block-size", "32", "--num-gpu-blocks-override", "96", "--max-model-len", "2048"]
    ) as server:
        for _ in range(2):
            server.ask(COMPLETIONS, {"prompt": list(range(1, 262)), "max_tokens": 8})
        assert server.metric("vllm:prefix_cache_queries_total") == 522
        assert server.metric("vllm:prefix_cache_hits_total") == 256
        assert server.metric("vllm:prompt_tokens_by_source_total", source="local_cache_hit") == 256
        assert server.metric("vllm:prompt_tokens_by_source_total", source="local_compute") == 266
        assert server.metric("vllm:request_success_total", finished_reason="length") == 2


def test_a_wrong_flag_ends_it_as_it_ends_the_real_one() -> None:
    wrong = pytest.raises(AssertionError, match="unrecognized arguments: --max-modell-len")
    with wrong, engine("serve", "m", "--max-modell-len", "4"):
        pass
