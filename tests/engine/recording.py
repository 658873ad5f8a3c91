"""Records what a running vLLM answers: all of it for test_fidelity.py, and the signals that `verify` reads."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgpack
import zmq

from tests.engine.exchanges import ASKED, COMPLETIONS, REFUSED, TEXT

MOMENTS = ("start", "cold", "end")
_AGAIN = 2  # as `llmdctl verify` sends its long prompt
_SETTLE_S = 1.5  # an answered request is in the metrics once the step's statistics are logged
_TOLD_MS = 300  # for one message on a connection that stands
_BUSY = 12  # requests at a time: more than --max-num-seqs, so that some wait


def exchange(port: int, path: str, body: Any) -> tuple[str, bytes]:
    """Status line with headers, and the body, of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("GET" if data is None else "POST", path, data, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    lines = [f"HTTP/1.1 {answer.status} {answer.reason}", *(f"{name}: {value}" for name, value in answer.getheaders())]
    connection.close()
    return "\n".join(lines) + "\n\n", content


def listening(port: int, topic: bytes = b"") -> zmq.Socket[bytes]:
    """A subscriber to which the server connects; it must be there before the server, which sends to nobody else."""
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, topic)
    socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    socket.bind(f"tcp://127.0.0.1:{port}")
    return socket


def subscribed(socket: zmq.Socket[bytes]) -> None:
    """Wait until the server has connected and been told of the subscription: what it sends before is lost."""
    with socket.get_monitor_socket() as monitor:
        assert monitor.poll(30_000), "the server never connected"
        socket.disable_monitor()
    assert not socket.poll(_TOLD_MS), "a subscriber subscribes when it is looked at, and there is nothing to hear yet"


def record(port: int, socket: zmq.Socket[bytes], to: Path) -> None:
    """All exchanges, /metrics before, during and after load, and the KV events."""
    to.mkdir(parents=True, exist_ok=True)
    subscribed(socket)
    (to / "metrics-idle.txt").write_bytes(exchange(port, "/metrics", None)[1])
    for name, (path, body) in {**ASKED, "completion-again": ASKED["completion"], **REFUSED}.items():
        headers, content = exchange(port, path, body)
        (to / f"{name}.headers").write_text(headers)
        (to / f"{name}.body").write_bytes(content)
    load = [threading.Thread(target=exchange, args=(port, COMPLETIONS, long(number))) for number in range(_BUSY)]
    for thread in load:
        thread.start()
    (to / "metrics-busy.txt").write_bytes(exchange(port, "/metrics", None)[1])
    for thread in load:
        thread.join()
    (to / "metrics-after.txt").write_bytes(exchange(port, "/metrics", None)[1])
    (to / "kv-events.json").write_text(json.dumps(heard(socket)) + "\n")


def record_signals(port: int, model: str, to: Path, *, settle_s: float = _SETTLE_S) -> None:
    """What verify reads: /v1/models, and the counters before a long prompt, after it, and after it came twice again."""
    to.mkdir(parents=True, exist_ok=True)
    body = {"model": model, "prompt": f"signals {TEXT}", "max_tokens": 4, "temperature": 0}
    (to / "signals-models.body").write_bytes(exchange(port, "/v1/models", None)[1])
    answers = []
    for moment, requests in zip(MOMENTS, (0, 1, _AGAIN), strict=True):
        answers += [exchange(port, COMPLETIONS, body)[1] for _ in range(requests)]
        time.sleep(settle_s)
        (to / f"signals-{moment}.txt").write_text(signals(exchange(port, "/metrics", None)[1].decode()))
    (to / "signals-answer.body").write_bytes(answers[-1])


def signals(text: str) -> str:
    """Of /metrics the values that the engine counts itself: no buckets, no times of creation, no process."""
    kept = [line for line in text.splitlines() if line.removeprefix("# TYPE ").startswith(("vllm:", "lmcache:"))]
    return "\n".join(line for line in kept if "_bucket{" not in line and "_created" not in line) + "\n"


def heard(socket: zmq.Socket[bytes]) -> list[dict[str, Any]]:
    """The KV events that have come."""
    frames = []
    while socket.poll(1000):
        topic, number, payload = socket.recv_multipart()
        frames.append({"frames": [topic.decode(), {"seq_bytes_hex": number.hex()}, msgpack.unpackb(payload)]})
    return frames


def write_events(frames: list[dict[str, Any]], to: Path) -> None:
    """How many events of each sort came with a variant's requests."""
    kinds = Counter(str(event["type"]) for each in frames for event in each["frames"][2][1])
    (to / "signals-events.json").write_text(json.dumps(dict(sorted(kinds.items()))) + "\n")


def long(number: int) -> dict[str, Any]:
    """A prompt that shares nothing with the others."""
    return {"model": "tiny", "prompt": f"{number} {TEXT}", "max_tokens": 64, "ignore_eos": True}
