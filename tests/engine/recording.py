"""Records what a running vLLM answers, as test_fidelity.py reads it."""

from __future__ import annotations

import http.client
import json
import threading
from pathlib import Path
from typing import Any

import msgpack
import zmq

from tests.engine.exchanges import ASKED, COMPLETIONS, REFUSED, TEXT

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


def listening(port: int) -> zmq.Socket[bytes]:
    """A subscriber to which the server connects; it must be there before the server, which sends to nobody else."""
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    socket.bind(f"tcp://127.0.0.1:{port}")
    return socket


def record(port: int, socket: zmq.Socket[bytes], to: Path) -> None:
    """All exchanges, /metrics before, during and after load, and the KV events."""
    to.mkdir(parents=True, exist_ok=True)
    assert not socket.poll(500), "a subscriber subscribes when it is looked at, and there is nothing to hear yet"
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
    frames = []
    while socket.poll(1000):
        topic, number, payload = socket.recv_multipart()
        frames.append({"frames": [topic.decode(), {"seq_bytes_hex": number.hex()}, msgpack.unpackb(payload)]})
    (to / "kv-events.json").write_text(json.dumps(frames, indent=1) + "\n")


def long(number: int) -> dict[str, Any]:
    """A prompt that shares nothing with the others."""
    return {"model": "tiny", "prompt": f"{number} {TEXT}", "max_tokens": 64, "ignore_eos": True}
