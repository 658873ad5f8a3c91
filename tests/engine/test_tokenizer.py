"""An endpoint picker 0.7 gets the tokens that the engine caches, over the wire that it speaks."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest

from llmdctl.sandbox.engine import tokenizer
from llmdctl.sandbox.engine.__main__ import read
from llmdctl.sandbox.engine.asking import understood
from llmdctl.sandbox.engine.tokenizer_messages import SERVICE, kind

MODEL = "Qwen/Qwen3-32B"
PARTS = [{"type": "text", "text": "What is "}, {"type": "text", "text": "a block?"}]
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PARTS}]


def asked(method: str, **fields: Any) -> Any:
    """What the service answers on its socket. Raises grpc.RpcError."""

    async def talk(socket: Path) -> Any:
        service = tokenizer.server(socket)
        await service.start()
        async with grpc.aio.insecure_channel(f"unix://{socket}") as channel:
            call = channel.unary_unary(
                f"/{SERVICE}/{method}",
                request_serializer=kind(f"{method}Request").SerializeToString,
                response_deserializer=kind(f"{method}Response").FromString,
            )
            try:
                return await call(kind(f"{method}Request")(**fields))
            finally:
                await service.stop(None)

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(talk(Path(folder) / "below" / "socket"))


def cached(body: Mapping[str, Any], *, chat: bool) -> list[int]:
    """The tokens that an engine works on."""
    return list(understood(body, settings=read(["serve", MODEL]), loaded={}, chat=chat).asked.prompt)


def test_a_model_is_ready_at_once():
    assert asked("InitializeTokenizer", model_name=MODEL).success


def test_a_prompt_has_the_engines_tokens():
    answer = asked("RenderCompletion", model_name=MODEL, prompt="Blocks, and what they hold")
    assert answer.success
    assert list(answer.token_ids) == cached({"prompt": "Blocks, and what they hold"}, chat=False)


def test_a_chat_has_the_engines_tokens():
    rows = [kind("ChatMessage")(role="system", content="Be brief."), kind("ChatMessage")(role="user")]
    rows[1].content_parts.extend(kind("ContentPart")(**part) for part in PARTS)
    answer = asked("RenderChatCompletion", model_name=MODEL, messages=rows)
    assert list(answer.token_ids) == cached({"messages": CHAT}, chat=True)


@pytest.mark.parametrize("method", ["RenderCompletion", "RenderChatCompletion"])
def test_nothing_cannot_be_rendered(method):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        asked(method, model_name=MODEL)
    assert refused.value.code() is grpc.StatusCode.INTERNAL


WIRE = [
    ("RenderCompletionRequest", {"model_name": "m", "prompt": "hi"}, b"\x0a\x01m\x12\x02hi"),
    ("RenderCompletionResponse", {"request_id": "r", "token_ids": [1, 300], "success": True},
     b"\x0a\x01r\x12\x03\x01\xac\x02\x18\x01"),
    ("RenderChatCompletionResponse", {"token_ids": [7], "success": True}, b"\x12\x01\x07\x20\x01"),
    ("InitializeTokenizerRequest", {"model_name": "m"}, b"\x0a\x01m"),
    ("InitializeTokenizerResponse", {"success": True}, b"\x08\x01"),
    ("ChatMessage", {"role": "u", "content": "c"}, b"\x0a\x01u\x12\x01c"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fields", "wire"), WIRE, ids=[row[0] for row in WIRE])
def test_messages_are_those_of_the_endpoint_picker(name, fields, wire):
    assert kind(name)(**fields).SerializeToString() == wire


def test_what_is_not_known_here_is_skipped():
    request = kind("RenderChatCompletionRequest").FromString(
        b"\x0a\x01m\x12\x08\x0a\x01u\x12\x01c\x22\x00\x1a\x02[]\x28\x01"
    )
    assert (request.model_name, request.messages[0].content) == ("m", "c")
