"""The tokenizer that stands beside an endpoint picker 0.7: gRPC on a Unix socket, with the engine's own tokens.

Socket, methods, probe and environment are those of ghcr.io/llm-d/llm-d-uds-tokenizer v0.7.1 (services/uds_tokenizer in
github.com/llm-d/llm-d-kv-cache): `InitializeTokenizer` once, then `RenderCompletion` or `RenderChatCompletion` for each
prompt. A request that cannot be rendered ends with INTERNAL, as there.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import grpc
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from llmdctl.sandbox.engine import tokens
from llmdctl.sandbox.engine.asking import chat_text
from llmdctl.sandbox.engine.tokenizer_messages import SERVICE, Message, kind

SOCKET: Final = Path("/tmp/tokenizer/tokenizer-uds.socket")
"""Where the endpoint picker looks."""

_LARGEST_BYTES: Final = 100 << 20  # of a message, both ways

_Context: TypeAlias = Any  # grpc.aio.ServicerContext; the library has no types
_Method = Callable[[Message, _Context], Awaitable[Message]]


async def _initialize(_request: Message, _context: _Context) -> Message:
    return kind("InitializeTokenizerResponse")(success=True)  # there is one tokenizer, for every model


async def _completion(request: Message, context: _Context) -> Message:
    return await _answer("RenderCompletionResponse", "cmpl", request.prompt, context)


async def _chat(request: Message, context: _Context) -> Message:
    rows = [
        {"role": row.role, "content": [{"text": part.text} for part in row.content_parts] or row.content}
        for row in request.messages
    ]
    return await _answer("RenderChatCompletionResponse", "chatcmpl", chat_text(rows), context)


async def _answer(name: str, start: str, text: str, context: _Context) -> Message:
    if not text:
        await context.abort(grpc.StatusCode.INTERNAL, "there is nothing to render")
    return kind(name)(request_id=f"{start}-{secrets.token_hex(8)}", token_ids=tokens.encode(text), success=True)


_METHODS: Final[dict[str, _Method]] = {
    "InitializeTokenizer": _initialize,
    "RenderCompletion": _completion,
    "RenderChatCompletion": _chat,
}


def server(socket: Path) -> grpc.aio.Server:
    """The service on its socket, not started yet; a socket that an ended process left there is replaced."""
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    socket.unlink(missing_ok=True)
    limits = [("grpc.max_send_message_length", _LARGEST_BYTES), ("grpc.max_receive_message_length", _LARGEST_BYTES)]
    made = grpc.aio.server(options=limits)
    handlers = {name: _handler(name, method) for name, method in _METHODS.items()}
    made.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    made.add_insecure_port(f"unix://{socket}")
    return made


def _handler(name: str, method: _Method) -> grpc.RpcMethodHandler:
    return grpc.unary_unary_rpc_method_handler(
        method,
        request_deserializer=kind(f"{name}Request").FromString,
        response_serializer=kind(f"{name}Response").SerializeToString,
    )


async def _healthy(_: Request) -> Response:
    return JSONResponse({"status": "healthy", "service": "tokenizer-service"})


async def _serve(socket: Path, port: int, grace_s: float) -> None:
    service = server(socket)
    await service.start()
    probes = Starlette(routes=[Route("/healthz", _healthy)])
    await uvicorn.Server(uvicorn.Config(probes, host="0.0.0.0", port=port, access_log=False)).serve()  # until a signal
    await service.stop(grace_s)


def main(words: Sequence[str]) -> int:
    """Serve until a signal. `words`: the socket, where it is not the usual one."""
    socket = Path(words[0]) if words else SOCKET
    port, grace_s = int(os.environ.get("PROBE_PORT", "8082")), float(os.environ.get("GRACE_PERIOD_SECONDS", "30"))
    asyncio.run(_serve(socket, port, grace_s))
    return 0
