"""What the simulated engine does between processes: P/D, tiers, events, drain, faults, adapters, sleep."""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from importlib import resources
from typing import Any

import msgpack
import openai
import pytest
import zmq

from tests.engine.process import Server, engine
from tests.engine.recording import listening, subscribed
from tests.ports import free_port

NIXL = '{"kv_connector":"NixlConnector","kv_role":"kv_both","kv_load_failure_policy":"fail"}'
PROMPT = list(range(100, 495))
pytestmark = pytest.mark.allow_loopback


def nixl() -> dict[str, str]:
    return {"VLLM_NIXL_SIDE_CHANNEL_HOST": "127.0.0.1", "VLLM_NIXL_SIDE_CHANNEL_PORT": str(free_port())}


def test_a_decode_fetches_what_a_prefill_computed_and_says_the_same_text() -> None:
    with (
        engine("serve", "m", "--kv-transfer-config", NIXL, environment=nixl()) as prefill,
        engine("serve", "m", "--kv-transfer-config", NIXL, environment=nixl()) as decode,
        engine("serve", "m") as alone,
    ):
        asked = {"prompt": PROMPT, "max_tokens": 24, "temperature": 0}
        first = prefill.ask(
            "/v1/completions", {**asked, "max_tokens": 1, "kv_transfer_params": {"do_remote_decode": True}}
        )
        params = first.document["kv_transfer_params"]
        assert prefill.metric("vllm:kv_cache_usage_perc") > 0, "the blocks wait"
        second = decode.ask("/v1/completions", {**asked, "kv_transfer_params": params})
        same = alone.ask("/v1/completions", asked)
        assert second.document["choices"][0]["text"] == same.document["choices"][0]["text"]
        assert decode.metric("vllm:prompt_tokens_by_source_total", source="external_kv_transfer") == 395
        assert decode.metric("vllm:prompt_tokens_by_source_total", source="local_compute") == 0
        assert decode.metric("vllm:prompt_tokens_cached_by_source_total", source="p2p") == 395
        assert prefill.metric("vllm:kv_cache_usage_perc") == 0, "the blocks were given back"
        again = decode.ask("/v1/completions", {**asked, "kv_transfer_params": params})
        assert again.status == 500
        assert "has no blocks of request" in again.document["error"]["message"]


def test_sglang_pairs_meet_in_a_room() -> None:
    port = str(free_port())
    flags = ["sglang", "serve", "--model-path", "m", "--page-size", "16", "--disaggregation-bootstrap-port", port]
    with (
        engine(*flags, "--disaggregation-mode", "prefill", environment={"POD_IP": "127.0.0.1"}) as prefill,
        engine(*flags, "--disaggregation-mode", "decode") as decode,
    ):
        asked = {"prompt": PROMPT, "bootstrap_host": "127.0.0.1", "bootstrap_port": int(port), "bootstrap_room": 77}
        answers: list[Any] = []
        later = threading.Thread(
            target=lambda: answers.append(decode.ask("/v1/completions", {**asked, "max_tokens": 9}))
        )
        later.start()
        prefill.ask("/v1/completions", {**asked, "max_tokens": 1})
        later.join(timeout=20)
        assert answers[0].document["usage"]["completion_tokens"] == 9
        assert decode.ask("/metrics").status == 404, "without --enable-metrics there are none"


def test_sglang_metrics_have_its_names_and_types() -> None:
    known = json.loads((resources.files("llmdctl.lint") / "data" / "engine-metrics.json").read_text())["sglang"]
    with engine("sglang", "serve", "--model-path", "m", "--enable-metrics", "--page-size", "16") as server:
        for _ in range(2):
            server.ask("/v1/completions", {"prompt": PROMPT, "max_tokens": 3})
        assert server.ask("/health_generate").status == 200
        shown = re.findall(r"# TYPE (\S+) (\S+)", server.ask("/metrics").body.decode())
        assert server.metric("sglang:cached_tokens_total") == 384
        assert server.metric("sglang:num_requests_total") == 3
    for name, kind in shown:
        if not name.endswith("_created"):
            assert known["metrics"][name.removesuffix("_total")]["type"] == kind, name


def test_blocks_go_to_the_cpu_tier_and_come_back() -> None:
    offload = '{"kv_connector":"OffloadingConnector","kv_role":"kv_both"}'
    small = ["serve", "m", "--block-size", "16", "--num-gpu-blocks-override", "40", "--max-model-len", "640"]
    with engine(*small, "--kv-transfer-config", offload) as server:
        server.ask("/v1/completions", {"prompt": PROMPT, "max_tokens": 2})
        server.ask("/v1/completions", {"prompt": list(range(2000, 2600)), "max_tokens": 2})  # fills the 40 blocks
        server.ask("/v1/completions", {"prompt": PROMPT, "max_tokens": 2})
        # the second prompt took 38 blocks, the end of the first one's first: its first two blocks were still there
        assert server.metric("vllm:prompt_tokens_cached_by_source_total", source="device") == 2 * 16
        assert server.metric("vllm:prompt_tokens_cached_by_source_total", source="host") == 22 * 16


def test_events_are_those_of_the_real_one() -> None:
    port = free_port()
    socket = listening(port, b"kv@")
    socket.setsockopt(zmq.RCVTIMEO, 10_000)
    config = {
        "enable_kv_cache_events": True,
        "publisher": "zmq",
        "topic": "kv@x@m",
        "endpoint": f"tcp://127.0.0.1:{port}",
    }
    small = ("--block-size", "32", "--num-gpu-blocks-override", "14", "--max-model-len", "448")
    with engine("serve", "m", *small, "--kv-events-config", json.dumps(config)) as server:
        subscribed(socket)
        server.ask("/v1/completions", {"prompt": PROMPT, "max_tokens": 1})
        topic, number, payload = socket.recv_multipart()
        server.ask("/v1/completions", {"prompt": [7, *PROMPT], "max_tokens": 1})
        gone = msgpack.unpackb(socket.recv_multipart()[2])[1][0]
    socket.close(0)
    at, events, rank = msgpack.unpackb(payload)
    assert (topic, int.from_bytes(number, "big"), rank) == (b"kv@x@m", 0, 0)
    assert abs(at - time.time()) < 60
    assert list(events[0]) == [
        "type", "block_hashes", "parent_block_hash", "token_ids", "block_size", "lora_id", "medium", "lora_name",
        "extra_keys", "group_idx", "kv_cache_spec_kind",
    ]  # fmt: skip
    assert list(gone) == ["type", "block_hashes", "medium", "group_idx"]
    assert (gone["type"], gone["group_idx"]) == ("BlockRemoved", events[0]["group_idx"])
    assert len(events[0]["block_hashes"]) == 12
    assert events[0]["token_ids"] == PROMPT[:384]


def test_sigterm_finishes_what_runs_and_takes_nothing_new() -> None:
    with engine("serve", "m", "--shutdown-timeout", "20") as server:
        answers: list[Any] = []
        server.ask("/_llmdctl/faults", {"slow": 20})  # a step of 20 ms: two seconds
        asked = {"prompt": PROMPT, "max_tokens": 100, "ignore_eos": True}
        running = threading.Thread(target=lambda: answers.append(server.ask("/v1/completions", asked)))
        running.start()
        _until_runs(server, running)
        server.process.terminate()
        running.join(timeout=20)
        assert answers[0].document["usage"]["completion_tokens"] == 100
        assert server.process.wait(timeout=20) == 0


def _until_runs(server: Server, asking: threading.Thread) -> None:
    while not server.metric("vllm:num_requests_running"):
        assert asking.is_alive(), "it was over before anybody looked"
        time.sleep(0.02)


def test_the_openai_client_streams_from_it() -> None:
    with engine("serve", "m") as server, openai.OpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
        stream = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hello"}], max_tokens=12, stream=True
        )
        words = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
        assert len([word for word in words if word]) == 12
        with pytest.raises(openai.NotFoundError):
            client.completions.create(model="nope", prompt="x")


def test_switches_of_failure() -> None:
    with engine("serve", "m") as server:
        server.ask("/_llmdctl/faults", {"error_rate": 1.0, "stale_metrics": True})
        assert server.ask("/v1/completions", {"prompt": "x"}).status == 500
        server.ask("/_llmdctl/faults", {"error_rate": 0.0, "deaf_metrics": True})
        assert server.ask("/v1/completions", {"prompt": "x"}).status == 200
        assert server.ask("/metrics").status == 503


def test_adapters_come_and_go() -> None:
    allowed = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "true"}
    with engine("serve", "m", "--enable-lora", "--lora-modules", "a=/a", environment=allowed) as server:
        assert server.ask("/v1/load_lora_adapter", {"lora_name": "b", "lora_path": "/b"}).status == 200
        names = [row["id"] for row in server.ask("/v1/models").document["data"]]
        assert names == ["m", "a", "b"]
        assert server.ask("/v1/completions", {"model": "b", "prompt": "x"}).document["model"] == "b"
        assert server.ask("/v1/unload_lora_adapter", {"lora_name": "b"}).status == 200
        assert server.ask("/v1/completions", {"model": "b", "prompt": "x"}).status == 404


def test_adapters_in_use_are_told_and_no_more_run_together_than_fit() -> None:
    words = ("serve", "m", "--enable-lora", "--max-loras=1", "--lora-modules", "a=/a", "b=/b")
    with engine(*words) as server:
        server.ask("/_llmdctl/faults", {"slow": 5})  # each runs for a second, in which the other waits
        asked = {"prompt": PROMPT, "max_tokens": 150, "ignore_eos": True}
        threads = [
            threading.Thread(target=server.ask, args=("/v1/completions", {**asked, "model": name})) for name in "ab"
        ]
        for thread in threads:
            thread.start()
        seen = set()
        while any(thread.is_alive() for thread in threads):
            seen |= set(re.findall(r"vllm:lora_requests_info\{(.*?)\}", server.ask("/metrics").body.decode()))
            time.sleep(0.02)
        for thread in threads:
            thread.join()
    one_waits = [f'running_lora_adapters="{first}",waiting_lora_adapters="{second}"' for first, second in ("ab", "ba")]
    assert any(each_waits in each for each_waits in one_waits for each in seen)
    assert not any(re.search('running_lora_adapters="(a,b|b,a)"', each) for each in seen)
    assert all('max_lora="1"' in each for each in seen)


def test_without_a_timeout_sigterm_breaks_off_what_runs() -> None:
    with engine("serve", "m") as server:
        ends: list[object] = []
        server.ask("/_llmdctl/faults", {"slow": 20})  # half a minute and more, if nothing broke it off

        def ask() -> None:
            asked = {"prompt": PROMPT, "max_tokens": 2000, "ignore_eos": True}
            try:
                ends.append(server.ask("/v1/completions", asked).status)
            except (OSError, http.client.HTTPException) as error:
                ends.append(error)

        running = threading.Thread(target=ask)
        running.start()
        _until_runs(server, running)
        server.process.terminate()
        running.join(timeout=20)
        assert server.process.wait(timeout=20) == 0
        assert ends != [200]


def test_a_fault_from_the_start_and_one_that_is_none() -> None:
    with engine("serve", "m", environment={"LLMDCTL_ENGINE_FAULTS": '{"unhealthy": true}'}) as server:
        assert server.ask("/health").status == 503
        refused = server.ask("/_llmdctl/faults", {"hagn": True})
        assert refused.status == 400
        assert "no fault 'hagn'" in refused.document["error"]["message"]
        assert server.ask("/_llmdctl/faults").document["unhealthy"] is True


def test_it_sleeps_and_wakes() -> None:
    with engine("serve", "m", "--enable-sleep-mode", environment={"VLLM_SERVER_DEV_MODE": "1"}) as server:
        server.ask("/sleep?level=2", {})
        assert server.ask("/is_sleeping").document == {"is_sleeping": True}
        assert server.metric("vllm:engine_sleep_state", sleep_state="discard_all") == 1
        assert server.ask("/v1/completions", {"prompt": "x"}).status == 503
        server.ask("/wake_up", {})
        assert server.ask("/v1/completions", {"prompt": "x"}).status == 200


def test_the_render_service_gives_the_tokens_that_the_engine_caches() -> None:
    """An endpoint picker that routes by KV events cuts these into blocks: they must be those of the events."""
    port = free_port()
    socket = listening(port)
    config = {"enable_kv_cache_events": True, "publisher": "zmq", "endpoint": f"tcp://127.0.0.1:{port}"}
    text = "the quick brown fox jumps over the lazy dog. " * 30
    asked = {
        "/v1/completions": {"model": "m", "prompt": text, "max_tokens": 1},
        "/v1/chat/completions": {"model": "m", "messages": [{"role": "user", "content": text}], "max_tokens": 1},
    }
    with (
        engine("vllm", "launch", "render", "m") as render,
        engine("serve", "m", "--block-size", "64", "--kv-events-config", json.dumps(config)) as server,
    ):
        subscribed(socket)
        for path, body in asked.items():
            server.ask(path, body)
            assert socket.poll(10_000)
            cached = msgpack.unpackb(socket.recv_multipart()[2])[1][0]["token_ids"]
            answer = render.ask(f"{path}/render", body).document
            found = (answer[0] if isinstance(answer, list) else answer)["token_ids"]
            assert len(cached) >= 256
            assert found[: len(cached)] == cached
        assert render.ask("/v1/completions", asked["/v1/completions"]).status == 404
    socket.close(0)
