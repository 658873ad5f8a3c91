"""Blocks beside the device's memory: the host's, a folder that several servers see, a store that they ask."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llmdctl.sandbox.furnish import until
from llmdctl.sandbox.ports import listening
from tests.engine.process import Server, alone, engine
from tests.ports import free_port

PROMPT = list(range(100, 740))
OTHERS = list(range(5000, 5600))
SMALL = ("serve", "m", "--block-size", "16", "--num-gpu-blocks-override", "44", "--max-model-len", "700")
SEEDED = {"PYTHONHASHSEED": "0"}
pytestmark = pytest.mark.allow_loopback


def ask(server: Server, prompt: list[int]) -> str:
    answer = server.ask("/v1/completions", {"prompt": prompt, "max_tokens": 8, "temperature": 0})
    assert answer.status == 200, answer.body
    return str(answer.document["choices"][0]["text"])


def cached(server: Server, source: str) -> float:
    return server.metric("vllm:prompt_tokens_cached_by_source_total", source=source)


@contextmanager
def store(tmp_path: Path, port: int) -> Iterator[None]:
    """`valkey-server`, simulated, with the configuration file that the chart renders."""
    (tmp_path / "valkey.conf").write_text(f'maxmemory 68719476736\nport {port}\nsave ""\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "llmdctl.sandbox.engine", "valkey-server", str(tmp_path / "valkey.conf")],
        env={**os.environ, "PYTHONPATH": alone()},
    )
    try:
        # An engine whose first blocks find nobody computes, and says nothing.
        until(lambda: listening(port), "a store that listens")
        yield
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_blocks_go_to_the_host_and_come_back_in_the_connectors_own_metrics() -> None:
    offload = '{"kv_connector":"OffloadingConnector","kv_role":"kv_both"}'
    with engine(*SMALL, "--kv-transfer-config", offload) as server:
        first = ask(server, PROMPT)
        assert server.metric("vllm:kv_offload_store_bytes_total") == 40 * 16 * 131072
        assert server.metric("vllm:kv_offload_load_bytes_total") == 0
        ask(server, OTHERS)
        assert ask(server, PROMPT) == first
        back = cached(server, "host")
        assert back > 500
        assert server.metric("vllm:kv_offload_load_bytes_total") == back * 131072
        assert server.metric("vllm:kv_offload_total_bytes_total", transfer_type="CPU_to_GPU") == back * 131072


def test_a_block_of_one_server_is_read_by_another_from_a_folder(tmp_path: Path) -> None:
    own = {
        "block_size": 64, "cpu_bytes_to_use": 10**9, "spec_name": "TieringOffloadingSpec",
        "secondary_tiers": [{"type": "fs", "root_dir": str(tmp_path), "n_read_threads": 16}],
    }  # fmt: skip
    config = {"kv_connector": "OffloadingConnector", "kv_role": "kv_both", "kv_connector_extra_config": own}
    words = (*SMALL, "--kv-transfer-config", json.dumps(config))
    with engine(*words, environment=SEEDED) as one, engine(*words, environment=SEEDED) as other:
        first = ask(one, PROMPT)
        assert one.metric("vllm:kv_offload_tiering_write_bytes_total", tier="1:fs") > 0
        assert ask(other, PROMPT) == first
        assert cached(other, "disk") == 576, "nine files of 64 tokens; of the tenth the last token is computed"
        assert other.metric("vllm:kv_offload_tiering_chunk_hits_total", tier="1:fs") == 9
    with engine(*words, environment={"PYTHONHASHSEED": "7"}) as stranger:
        ask(stranger, PROMPT)
        assert cached(stranger, "disk") == 0, "another seed gives blocks other names"


def test_a_block_of_one_server_is_read_by_another_from_a_store(tmp_path: Path) -> None:
    port = free_port()
    lmcache = {
        **SEEDED, "LMCACHE_CHUNK_SIZE": "256", "LMCACHE_LOCAL_CPU": "True", "LMCACHE_MAX_LOCAL_CPU_SIZE": "5",
        "LMCACHE_REMOTE_URL": f"redis://127.0.0.1:{port}",
    }  # fmt: skip
    config = json.dumps({"master_server_address": f"127.0.0.1:{port}"})
    (tmp_path / "mooncake.json").write_text(config)
    mooncake = {**SEEDED, "MOONCAKE_CONFIG_PATH": str(tmp_path / "mooncake.json")}
    for name, environment, found in (("LMCacheConnectorV1", lmcache, 512), ("MooncakeStoreConnector", mooncake, 624)):
        words = (*SMALL, "--kv-transfer-config", json.dumps({"kv_connector": name, "kv_role": "kv_both"}))
        with store(tmp_path, port), engine(*words, environment=environment) as one:
            first = ask(one, PROMPT)
            with engine(*words, environment=environment) as other:
                assert ask(other, PROMPT) == first
                assert cached(other, "external_unspecified") == found
                assert other.metric("vllm:external_prefix_cache_hits_total") == found
                if name == "MooncakeStoreConnector":
                    moved = "vllm:mooncake_store_operation_bytes_total"
                    assert one.metric(moved, operation="save_put") == 640 * 131072
                    assert other.metric(moved, operation="load_get", status="ok") == found * 131072
        if name == "LMCacheConnectorV1":
            continue
        with engine(*words, environment=environment) as lonely:
            assert ask(lonely, PROMPT) == first, "without its store a server computes"
