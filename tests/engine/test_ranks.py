"""Data-parallel ranks: a port each, one port for all, and pods that start together."""

from __future__ import annotations

import json
import time
import urllib.request

import msgpack
import pytest
import zmq

from tests.engine.process import Server, engine
from tests.ports import free_port, free_ports

pytestmark = pytest.mark.allow_loopback
ASKED = {"prompt": list(range(64)), "max_tokens": 2}


def test_every_rank_has_a_port_metrics_and_events_of_its_own() -> None:
    first, events, supervisor = free_ports(2), free_ports(10), free_port()
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    for rank in (8, 9):
        socket.connect(f"tcp://127.0.0.1:{events + rank}")
    config = {"enable_kv_cache_events": True, "publisher": "zmq", "endpoint": f"tcp://*:{events}", "topic": "kv@p@m"}
    words = (
        f"serve m --data-parallel-size=16 --data-parallel-size-local=2 --data-parallel-start-rank=8"
        f" --data-parallel-multi-port-external-lb --data-parallel-supervisor-port={supervisor}"
    )
    with engine(*words.split(), "--kv-events-config", json.dumps(config), port=first) as server:
        other = Server(port=first + 1, process=server.process)
        for path, status in (("/health", 200), ("/ready", 200), ("/readyz", 200), ("/v1/models", 404)):
            assert health(supervisor, path) == status
        other.ask("/v1/completions", ASKED)
        assert server.metric("vllm:prompt_tokens_total") == 0
        assert other.metric("vllm:prompt_tokens_total", engine="9") == 64
        for number in range(20):  # events before the subscription has arrived are nobody's
            if socket.poll(250):
                break
            other.ask("/v1/completions", {**ASKED, "prompt": [number] * 64})
        _, _, payload = socket.recv_multipart(zmq.NOBLOCK)
        assert msgpack.unpackb(payload)[2] == 9
        other.ask("/_llmdctl/faults", {"unhealthy": True})
        assert (server.ask("/health").status, other.ask("/health").status) == (200, 503)
        assert health(supervisor) == 503
    socket.close(0)


def health(port: int, path: str = "/health") -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def test_one_port_gives_a_request_to_the_rank_with_least_to_do_or_to_the_one_it_names() -> None:
    with engine("serve", "m", "--data-parallel-size=3") as server:
        for _ in range(2):
            server.ask("/v1/completions", ASKED, headers={"X-data-parallel-rank": "2"})
        assert server.metric("vllm:prompt_tokens_total", engine="2") == 128
        assert server.metric("vllm:prefix_cache_hits_total", engine="2") == 48
        assert server.metric("vllm:prompt_tokens_total", engine="0") == 0
        assert server.ask("/metrics").body.count(b"# TYPE vllm:prompt_tokens_total ") == 1


def test_followers_wait_for_their_leader_and_end_with_it() -> None:
    rpc = free_port()
    words = (
        f"serve m --data-parallel-size=2 --data-parallel-size-local=1 --data-parallel-address=127.0.0.1"
        f" --data-parallel-rpc-port={rpc} --data-parallel-hybrid-lb"
    )
    with engine(*words.split(), "--data-parallel-start-rank=1", ready=False) as follower:
        time.sleep(0.2)
        with pytest.raises(OSError):
            follower.ask("/health")
        with engine(*words.split(), "--data-parallel-start-rank=0") as leader:
            follower.ready()
            assert follower.ask("/v1/completions", ASKED).status == 200
            leader.process.kill()
            assert follower.process.wait(20) == 1


def test_a_headless_pod_serves_nothing_and_ends_at_once() -> None:
    words = "serve m --nnodes=2 --node-rank=1 --master-addr=127.0.0.1 --headless --tensor-parallel-size=16"
    with engine(*words.split(), ready=False) as pod, pytest.raises(OSError):
        pod.ask("/health")
