"""KV blocks from the server that computed them to the one that decodes, over a side channel.

vLLM's NIXL form: a prefill answers with `kv_transfer_params` (who holds the blocks, and under which request), and the
decode side fetches them from that host and port. SGLang's bootstrap form: both sides get the request at once with a
room number; the decode side asks the prefill side's bootstrap port for that room. Here one ZMQ socket serves both; what
is carried is the number of tokens, and the blocks are really given back when they are fetched.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import msgpack
import zmq
import zmq.asyncio

from llmdctl.sandbox.engine.running import Engine

_POLL_S: Final = 0.01  # between two looks whether a room is ready


class TransferError(Exception):
    """The blocks are gone, or their holder does not answer; the text says which."""


@dataclass(frozen=True, kw_only=True)
class SideChannel:
    """Gives blocks that this engine holds to whoever asks for their request."""

    engine: Engine
    address: str  # tcp://host:port

    async def serve(self) -> None:
        """Answer until cancelled."""
        socket = zmq.asyncio.Context.instance().socket(zmq.ROUTER)
        socket.bind(self.address)
        waiting: set[asyncio.Task[None]] = set()
        try:
            while True:
                client, _, asked = await socket.recv_multipart()
                task = asyncio.create_task(self._answer(socket, client, msgpack.unpackb(asked)))
                waiting.add(task)
                task.add_done_callback(waiting.discard)
        finally:
            socket.close(0)

    async def _answer(self, socket: Any, client: bytes, asked: dict[str, Any]) -> None:  # noqa: ANN401 - untyped library
        until = asyncio.get_running_loop().time() + float(asked.get("wait_s", 0))
        found = self.engine.take_kept(str(asked["request"]))
        while found is None and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(_POLL_S)
            found = self.engine.take_kept(str(asked["request"]))
        answer: dict[str, Any] = {"tokens": None}
        if found is not None:
            answer = {"tokens": found.prompt_length}
            self.engine.give_back(found)
        await socket.send_multipart((client, b"", msgpack.packb(answer)))


async def fetch(host: str, port: int, request: str, *, wait_s: float = 0.0, limit_s: float = 10.0) -> int:
    """Fetch the blocks of a request: the number of prompt tokens that they hold. Raises TransferError."""
    socket = zmq.asyncio.Context.instance().socket(zmq.REQ)
    socket.setsockopt(zmq.LINGER, 0)
    socket.connect(f"tcp://{host}:{port}")
    try:
        await socket.send(msgpack.packb({"request": request, "wait_s": wait_s}))
        answer = msgpack.unpackb(await asyncio.wait_for(socket.recv(), limit_s + wait_s))
    except TimeoutError as cause:
        raise TransferError(f"{host}:{port} did not answer within {limit_s + wait_s:.0f} s") from cause
    finally:
        socket.close(0)
    if answer["tokens"] is None:
        raise TransferError(f"{host}:{port} has no blocks of request {request}")
    return int(answer["tokens"])
