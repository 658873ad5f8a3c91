"""KV events over ZMQ, as vLLM sends them: three frames (topic, sequence number, msgpack), and a replay socket.

vLLM 0.32 adds a data-parallel rank to the port, binds where the endpoint holds a `*` or `::`, and connects to anything
else. The batch is an array: time, the events of a step, data-parallel rank. Hashes are unsigned 64-bit integers; SGLang
writes them signed, and its events as arrays.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgpack
import zmq
import zmq.asyncio

from llmdctl.sandbox.engine.blocks import Cleared, Event, Removed, Stored

_REPLAYED: Final = 10_000  # events that the replay socket remembers, vLLM's default buffer_steps
_END: Final = (-1).to_bytes(8, "big", signed=True)


def message(event: Event) -> dict[str, Any]:
    """One event as vLLM writes it."""
    if isinstance(event, Stored):
        return {
            "type": "BlockStored",
            "block_hashes": list(event.hashes),
            "parent_block_hash": event.parent,
            "token_ids": list(event.tokens),
            "block_size": event.block_size,
            "lora_id": None,
            "medium": event.medium,
            "lora_name": event.lora,
            "extra_keys": [None] * len(event.hashes),
            "group_idx": 0,
            "kv_cache_spec_kind": "full_attention",
        }
    if isinstance(event, Removed):
        # Without the group an index that learnt it from BlockStored finds nothing to remove.
        return {"type": "BlockRemoved", "block_hashes": list(event.hashes), "medium": event.medium, "group_idx": 0}
    assert isinstance(event, Cleared)
    return {"type": "AllBlocksCleared"}


def sglang_message(event: Event) -> list[Any]:
    """One event as SGLang 0.5.23 writes it: an array, trailing fields that say nothing left out."""
    if isinstance(event, Stored):
        signed = [_signed(known_as) for known_as in event.hashes]
        parent = None if event.parent is None else _signed(event.parent)
        return ["BlockStored", signed, parent, list(event.tokens), event.block_size, None, event.medium]
    if isinstance(event, Removed):
        return ["BlockRemoved", [_signed(known_as) for known_as in event.hashes], event.medium]
    assert isinstance(event, Cleared)
    return ["AllBlocksCleared"]


def _signed(known_as: int) -> int:
    return known_as - 2**64 if known_as >= 2**63 else known_as


def offset(endpoint: str, rank: int) -> str:
    """The endpoint of a data-parallel rank: its port, or its name, is moved by the rank."""
    if not rank:
        return endpoint
    head, colon, port = endpoint.rpartition(":")
    if endpoint.startswith("tcp://") and colon and port.isdecimal():
        return f"{head}:{int(port) + rank}"
    return f"{endpoint}_dp{rank}"


class Publisher:
    """Sends the events of each step; with publisher `null` it does nothing."""

    def __init__(self, settings: Mapping[str, Any], *, rank: int = 0, sglang: bool = False) -> None:
        self._topic = str(settings.get("topic", "")).encode()
        self._rank = rank
        self.replay_endpoint = ""
        self._written: Callable[[Event], object] = sglang_message if sglang else message
        self._number = 0
        self._sent: deque[tuple[int, bytes]] = deque(maxlen=int(settings.get("buffer_steps") or _REPLAYED))
        self._socket: zmq.Socket[bytes] | None = None
        if not settings.get("enable_kv_cache_events") or settings.get("publisher", "zmq") != "zmq":
            return
        endpoint = offset(str(settings.get("endpoint") or "tcp://*:5557"), rank)
        self.replay_endpoint = offset(str(settings["replay_endpoint"]), rank) if settings.get("replay_endpoint") else ""
        self._socket = zmq.Context.instance().socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, int(settings.get("hwm") or 100_000))
        self._socket.setsockopt(zmq.LINGER, 0)
        if "*" in endpoint or "::" in endpoint or endpoint.startswith(("ipc://", "inproc://")):
            self._socket.bind(endpoint)
        else:
            self._socket.connect(endpoint)

    def send(self, events: Sequence[Event]) -> None:
        """One batch; nothing is sent for a step without events."""
        if self._socket is None or not events:
            return
        payload = msgpack.packb([time.time(), [self._written(event) for event in events], self._rank])
        self._socket.send_multipart((self._topic, self._number.to_bytes(8, "big"), payload))
        self._sent.append((self._number, payload))
        self._number += 1

    async def replay(self) -> None:
        """Answer whoever asks from which number on; ends when cancelled."""
        socket = zmq.asyncio.Context.instance().socket(zmq.ROUTER)
        socket.bind(self.replay_endpoint)
        try:
            while True:
                client, _, first = await socket.recv_multipart()
                for number, payload in [row for row in self._sent if row[0] >= int.from_bytes(first, "big")]:
                    await socket.send_multipart((client, b"", number.to_bytes(8, "big"), payload))
                await socket.send_multipart((client, b"", _END, b""))
        finally:
            socket.close(0)

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close(0)
