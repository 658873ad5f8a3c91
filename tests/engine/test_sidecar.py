"""The real routing sidecar 0.7.1 between two simulated engines: prefill there, decode here, in both engines' forms."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from llmdctl import programs
from tests.engine.process import Server, engine
from tests.ports import free_port

NIXL = '{"kv_connector":"NixlConnector","kv_role":"kv_both","kv_load_failure_policy":"fail"}'
ASKED = {"model": "m", "prompt": list(range(100, 495)), "max_tokens": 24, "temperature": 0}
pytestmark = pytest.mark.allow_loopback


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A prefill server, a decode server, and the sidecar in front of the latter."""

    prefill: Server
    decode: Server
    port: int

    def ask(self, body: Mapping[str, Any], *, path: str = "/v1/completions", remote: bool = True) -> tuple[int, str]:
        """Through the sidecar; `remote`: with the header that the endpoint picker sets."""
        headers = {"Content-Type": "application/json"}
        if remote:
            headers["x-prefiller-host-port"] = f"127.0.0.1:{self.prefill.port}"
        url = f"http://127.0.0.1:{self.port}{path}"
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers), timeout=30
            ) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()


@contextmanager
def pair(connector: str, prefill: tuple[str, ...], decode: tuple[str, ...], **environment: str) -> Iterator[Pair]:
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(engine(*words, environment=own(environment))) for words in (prefill, decode)
        )
        port = free_port()
        flags = {"port": port, "vllm-port": second.port, "kv-connector": connector, "secure-proxy": "false"}
        sidecar = subprocess.Popen(
            [programs.find("sidecar07").path, *(f"--{name}={value}" for name, value in flags.items())],
            env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        stack.callback(sidecar.wait, 20)
        stack.callback(sidecar.terminate)
        both = Pair(prefill=first, decode=second, port=port)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                if both.ask({**ASKED, "max_tokens": 1, "prompt": [1]}, remote=False)[0] == 200:
                    break
            except OSError:
                time.sleep(0.05)
        yield both


def own(environment: Mapping[str, str]) -> dict[str, str]:
    """Each engine of a pair has a side channel of its own."""
    channel = {"VLLM_NIXL_SIDE_CHANNEL_HOST": "127.0.0.1", "VLLM_NIXL_SIDE_CHANNEL_PORT": str(free_port())}
    return {"POD_IP": "127.0.0.1", **channel, **environment}


def text(answer: tuple[int, str]) -> str:
    status, body = answer
    assert status == 200, body
    return str(json.loads(body)["choices"][0]["text"])


@pytest.fixture(scope="module")
def nixl() -> Iterator[Pair]:
    words = ("serve", "m", "--kv-transfer-config", NIXL)
    with pair("nixlv2", words, words) as both:
        yield both


def test_prefill_runs_remotely_and_its_blocks_arrive(nixl: Pair) -> None:
    alone = text(nixl.ask(ASKED, remote=False))
    before = {name: counted(nixl, name) for name in ("prefill", "fetched", "computed")}
    other = {**ASKED, "prompt": list(range(1000, 1395))}
    assert text(nixl.ask(other))
    after = {name: counted(nixl, name) for name in before}
    assert after["prefill"] - before["prefill"] == 395
    assert after["fetched"] - before["fetched"] == 395
    assert after["computed"] == before["computed"], "the decode side computed nothing of the prompt"
    assert text(nixl.ask(ASKED)) == alone, "what prefill and decode say together is what one server says"
    assert nixl.decode.metric("vllm:nixl_bytes_transferred_sum") > 0
    assert nixl.prefill.metric("vllm:kv_cache_usage_perc") == 0, "the blocks were given back"


def counted(both: Pair, name: str) -> float:
    source = "vllm:prompt_tokens_by_source_total"
    if name == "prefill":
        return both.prefill.metric("vllm:prompt_tokens_total")
    return both.decode.metric(source, source={"fetched": "external_kv_transfer", "computed": "local_compute"}[name])


def test_a_stream_goes_through_and_says_the_same(nixl: Pair) -> None:
    chat = {"model": "m", "messages": [{"role": "user", "content": "tell me all of it " * 20}], "max_tokens": 9}
    path = "/v1/chat/completions"
    whole = json.loads(nixl.ask(chat, path=path)[1])["choices"][0]["message"]["content"]
    status, streamed = nixl.ask({**chat, "stream": True}, path=path)
    rows = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: {")]
    assert status == 200
    assert "".join(row["choices"][0]["delta"].get("content") or "" for row in rows) == whole


def test_lost_blocks_are_an_error_of_the_request_alone(nixl: Pair) -> None:
    failed = nixl.decode.metric("vllm:nixl_num_failed_transfers_total")
    nixl.prefill.ask("/_llmdctl/faults", {"lost_kv": True})
    status, body = nixl.ask({**ASKED, "prompt": list(range(2000, 2395))})
    nixl.prefill.ask("/_llmdctl/faults", {"lost_kv": False})
    assert status == 500
    assert "has no blocks of request" in body
    assert nixl.decode.metric("vllm:nixl_num_failed_transfers_total") == failed + 1
    assert text(nixl.ask(ASKED))


def test_a_prefill_server_that_fails_is_not_needed(nixl: Pair) -> None:
    """The sidecar falls back to the decode side on an error of the server."""
    nixl.prefill.ask("/_llmdctl/faults", {"error_rate": 1.0})
    answer = nixl.ask({**ASKED, "prompt": list(range(3000, 3395))})
    nixl.prefill.ask("/_llmdctl/faults", {"error_rate": 0.0})
    assert text(answer)


def test_sglang_pairs_meet_in_the_room_that_the_sidecar_opens() -> None:
    port = str(free_port())
    words = ("sglang", "serve", "--model-path", "m", "--enable-metrics", "--page-size", "16")
    prefill = (*words, "--disaggregation-mode", "prefill", "--disaggregation-bootstrap-port", port)
    decode = (*words, "--disaggregation-mode", "decode")
    with pair("sglang", prefill, decode, SGLANG_BOOTSTRAP_PORT=port) as both, engine("serve", "m") as alone:
        same = alone.ask("/v1/completions", ASKED).document["choices"][0]["text"]
        assert text(both.ask(ASKED)) == same
        assert both.prefill.metric("sglang:prompt_tokens_total") == 395
        assert both.decode.metric("sglang:cached_tokens_total") == 395
        assert both.decode.metric("sglang:kv_transfer_total_mb_sum") > 0
