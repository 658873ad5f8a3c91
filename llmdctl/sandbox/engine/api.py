"""The HTTP side: vLLM's routes over one engine."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from llmdctl.sandbox.engine import shapes, tokens
from llmdctl.sandbox.engine.arguments import Settings
from llmdctl.sandbox.engine.asking import Request, RequestError, chat_text, understood
from llmdctl.sandbox.engine.events import Publisher
from llmdctl.sandbox.engine.running import Engine, RefusedError
from llmdctl.sandbox.engine.sequence import Asked
from llmdctl.sandbox.engine.transfer import SideChannel, TransferError, fetch

VERSION = "0.32.0"


@dataclass(kw_only=True)
class Api:
    """One engine behind HTTP. `side_channel` is where its blocks can be fetched, as (host, port)."""

    settings: Settings
    engine: Engine
    publisher: Publisher
    side_channel: tuple[str, int] | None = None
    engine_id: str = ""
    loaded: dict[str, str] = field(default_factory=dict)  # LoRA adapters: name -> path
    serving: int = 0

    def app(self) -> Starlette:
        """The application; the engine runs while it does."""
        routes = [
            Route("/v1/completions", self._completions, methods=["POST"]),
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/v1/models", self._models),
            Route("/health", self._health),
            Route("/_llmdctl/faults", self._faults, methods=["GET", "POST"]),
        ]
        if self.settings.metrics:
            routes.append(Route("/metrics", self._metrics))
        routes += self._sglang() if self.settings.engine == "sglang" else self._vllm()
        handlers: dict[Any, Any] = {404: _detail, 405: _detail, RequestError: _refused}
        return Starlette(routes=routes, exception_handlers=handlers, lifespan=self._life)

    def _vllm(self) -> list[Route]:
        routes = [
            Route("/v1/completions/render", self._render, methods=["POST"]),
            Route("/v1/chat/completions/render", self._render_chat, methods=["POST"]),
            Route("/tokenize", self._tokenize, methods=["POST"]),
            Route("/detokenize", self._detokenize, methods=["POST"]),
            Route("/ping", self._health, methods=["GET", "POST"]),
            Route("/version", self._version),
            Route("/load", self._load),
            Route("/reset_prefix_cache", self._reset, methods=["POST"]),
        ]
        if self.settings.lora and os.environ.get("VLLM_ALLOW_RUNTIME_LORA_UPDATING", "").lower() in ("1", "true"):
            routes += [
                Route("/v1/load_lora_adapter", self._load_lora, methods=["POST"]),
                Route("/v1/unload_lora_adapter", self._unload_lora, methods=["POST"]),
            ]
        if os.environ.get("VLLM_SERVER_DEV_MODE") == "1":
            routes += [
                Route("/sleep", self._sleep, methods=["POST"]),
                Route("/wake_up", self._wake, methods=["POST"]),
                Route("/is_sleeping", self._sleeping),
            ]
        return routes

    def _sglang(self) -> list[Route]:
        """https://docs.sglang.io/basic_usage/native_api.html"""
        return [
            Route("/health_generate", self._health_generate),
            Route("/model_info", self._model_info),
            Route("/get_model_info", self._model_info),
            Route("/flush_cache", self._reset, methods=["GET", "POST"]),
            Route("/load_lora_adapter", self._load_lora, methods=["POST"]),
            Route("/unload_lora_adapter", self._unload_lora, methods=["POST"]),
        ]

    @asynccontextmanager
    async def _life(self, _: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.engine.run())]
        if self.side_channel is not None:
            host, port = self.side_channel
            channel = SideChannel(engine=self.engine, address=f"tcp://{host}:{port}")
            tasks.append(asyncio.create_task(channel.serve()))
        replay = self.settings.kv_events.get("replay_endpoint")
        if replay:
            tasks.append(asyncio.create_task(self.publisher.replay(str(replay))))
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.publisher.close()

    async def _completions(self, http: HttpRequest) -> Response:
        return await self._answer(http, chat=False)

    async def _chat(self, http: HttpRequest) -> Response:
        return await self._answer(http, chat=True)

    async def _answer(self, http: HttpRequest, *, chat: bool) -> Response:
        self._authorised(http)
        request = understood(await _body(http), settings=self.settings, loaded=self.loaded, chat=chat)
        if random.random() < self.engine.faults.error_rate:
            raise RequestError("EngineCore encountered an issue.", status=500, kind="InternalServerError")
        offered = await self._fetched(request)
        if request.stream:
            return StreamingResponse(self._streamed(request, offered), media_type="text/event-stream")
        return JSONResponse(await self._whole(request, offered))

    async def _fetched(self, request: Request) -> int:
        """Prompt tokens whose blocks another server gave."""
        try:
            if request.transfer.get("do_remote_prefill"):
                host, port = str(request.transfer["remote_host"]), int(request.transfer["remote_port"])
                return await fetch(host, port, str(request.transfer["remote_request_id"]))
            if request.bootstrap and self.settings.disaggregation == "decode":
                return await fetch(*request.bootstrap, request.room, wait_s=60.0)
        except (TransferError, KeyError, ValueError) as cause:
            if self.settings.kv_transfer.get("kv_load_failure_policy", "fail") == "recompute":
                return 0
            raise RequestError(f"KV transfer failed: {cause}", status=500, kind="InternalServerError") from cause
        return 0

    async def _streamed(self, request: Request, offered: int) -> AsyncIterator[bytes]:
        stream, generated = shapes.Stream(request), 0
        opened = False
        self.serving += 1
        try:
            async for token in self.engine.answer(request.asked, offered=offered, source="p2p" if offered else ""):
                if not opened:
                    opened = True
                    yield stream.opening()
                generated += 1
                yield stream.token(tokens.decode(token.token), token.finished)
            yield stream.closing(generated)
        finally:
            self.serving -= 1

    async def _whole(self, request: Request, offered: int) -> dict[str, Any]:
        self.serving += 1
        try:
            rows = await asyncio.gather(*(self._collected(asked, offered) for asked in request.copies()))
        except RefusedError as cause:
            raise RequestError(str(cause), status=503, kind="ServiceUnavailableError") from cause
        finally:
            self.serving -= 1
        return shapes.whole(request, rows, self._transfer(request), created=int(time.time()))

    async def _collected(self, asked: Asked, offered: int) -> shapes.Answer:
        words: list[str] = []
        reason = "stop"
        async for token in self.engine.answer(asked, offered=offered, source="p2p" if offered else ""):
            words.append(tokens.decode(token.token))
            reason = token.finished or reason
        return shapes.Answer(words=tuple(words), reason=reason)

    def _transfer(self, request: Request) -> dict[str, Any] | None:
        """What the decode side needs to fetch the blocks of this prefill."""
        if not request.transfer.get("do_remote_decode") or self.side_channel is None:
            return None
        host, port = self.side_channel
        blocks = -(-len(request.asked.prompt) // self.settings.block_size)
        return {
            "do_remote_prefill": True,
            "do_remote_decode": False,
            "remote_block_ids": [list(range(blocks))],
            "remote_engine_id": self.engine_id,
            "remote_request_id": request.asked.id,
            "remote_host": host,
            "remote_port": port,
            "tp_size": self.settings.tensor,
            "remote_num_tokens": len(request.asked.prompt),
        }

    def _authorised(self, http: HttpRequest) -> None:
        keys = self.settings.api_keys
        if keys and http.headers.get("authorization", "").removeprefix("Bearer ") not in keys:
            raise RequestError("Unauthorized", status=401, kind="Unauthorized")

    async def _models(self, _: HttpRequest) -> Response:
        longest = self.settings.max_model_len
        return JSONResponse(shapes.models(self.settings.names, self.settings.model, self.loaded, max_model_len=longest))

    async def _render(self, http: HttpRequest) -> Response:
        body = await _body(http)
        request = understood(body, settings=self.settings, loaded=self.loaded, chat=False)
        return JSONResponse([{"request_id": request.asked.id, "token_ids": list(request.asked.prompt)}])

    async def _render_chat(self, http: HttpRequest) -> Response:
        body = await _body(http)
        request = understood(body, settings=self.settings, loaded=self.loaded, chat=True)
        return JSONResponse({"request_id": request.asked.id, "token_ids": list(request.asked.prompt)})

    async def _tokenize(self, http: HttpRequest) -> Response:
        body = await _body(http)
        text = body.get("prompt") if "prompt" in body else chat_text(body.get("messages"))
        found = tokens.encode(str(text or ""))
        words = tokens.pieces(str(text or "")) if body.get("return_token_strs") else None
        longest = self.settings.max_model_len
        return JSONResponse({"count": len(found), "max_model_len": longest, "tokens": found, "token_strs": words})

    async def _detokenize(self, http: HttpRequest) -> Response:
        body = await _body(http)
        return JSONResponse({"prompt": "".join(tokens.decode(token) for token in body.get("tokens") or ())})

    async def _metrics(self, _: HttpRequest) -> Response:
        if self.engine.faults.deaf_metrics:
            return Response(status_code=503)
        return Response(self.engine.recorder.text(), media_type="text/plain; version=1.0.0; charset=utf-8")

    async def _health(self, _: HttpRequest) -> Response:
        return Response(status_code=200)

    async def _health_generate(self, _: HttpRequest) -> Response:
        """Healthy is who makes a token."""
        prompt = tuple(tokens.encode("health"))
        asked = Asked(id="health", prompt=prompt, max_tokens=1, answer=tokens.answer(prompt), natural_length=2)
        try:
            await asyncio.wait_for(self._collected(asked, 0), 20)
        except (TimeoutError, RefusedError):
            return Response(status_code=503)
        return Response(status_code=200)

    async def _model_info(self, _: HttpRequest) -> Response:
        return JSONResponse(
            {"model_path": self.settings.model, "tokenizer_path": self.settings.model, "is_generation": True}
        )

    async def _version(self, _: HttpRequest) -> Response:
        return JSONResponse({"version": VERSION})

    async def _load(self, _: HttpRequest) -> Response:
        return JSONResponse({"server_load": self.serving})

    async def _reset(self, _: HttpRequest) -> Response:
        return Response(status_code=200 if self.engine.forget() else 500)

    async def _load_lora(self, http: HttpRequest) -> Response:
        body = await _body(http)
        name, path = str(body.get("lora_name") or ""), str(body.get("lora_path") or "")
        if not name or not path:
            raise RequestError("Both 'lora_name' and 'lora_path' must be provided.", kind="InvalidUserInput")
        if name in self.loaded and not body.get("load_inplace"):
            raise RequestError(f"The lora adapter '{name}' has already been loaded.", kind="InvalidUserInput")
        self.loaded[name] = path
        return Response(f"Success: LoRA adapter '{name}' added successfully.")

    async def _unload_lora(self, http: HttpRequest) -> Response:
        name = str((await _body(http)).get("lora_name") or "")
        if name not in self.loaded:
            raise RequestError(f"The lora adapter '{name}' cannot be found.", status=404, kind="NotFoundError")
        del self.loaded[name]
        return Response(f"Success: LoRA adapter '{name}' removed successfully.")

    async def _sleep(self, http: HttpRequest) -> Response:
        self.engine.sleep(int(http.query_params.get("level", "1")))
        return Response(status_code=200)

    async def _wake(self, _: HttpRequest) -> Response:
        self.engine.wake()
        return Response(status_code=200)

    async def _sleeping(self, _: HttpRequest) -> Response:
        return JSONResponse({"is_sleeping": self.engine.asleep > 0})

    async def _faults(self, http: HttpRequest) -> Response:
        faults = self.engine.faults
        if http.method == "POST":
            body = await _body(http)
            if body.get("crash"):
                os._exit(int(body["crash"]))
            for known in fields(faults):
                if known.name in body:
                    setattr(faults, known.name, body[known.name])
        return JSONResponse({known.name: getattr(faults, known.name) for known in fields(faults)})


async def _body(http: HttpRequest) -> dict[str, Any]:
    raw = await http.body()
    try:
        read = json.loads(raw)
    except ValueError as cause:
        place = getattr(cause, "pos", 0)
        raise RequestError(
            f"1 validation error:\n  {{'type': 'json_invalid', 'loc': 'body.{place}', 'msg': 'JSON decode error',"
            f" 'input': '<dict of 0 items>', 'ctx': {{'error': '{getattr(cause, 'msg', cause)}'}}}}",
            kind="Bad Request", param=f"body.{place}",
        ) from cause  # fmt: skip
    return read if isinstance(read, dict) else {}


async def _refused(_: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return JSONResponse(error.body, status_code=error.status)


async def _detail(_: HttpRequest, error: Exception) -> Response:
    status = int(getattr(error, "status_code", 404))
    detail = "Method Not Allowed" if status == 405 else "Not Found"
    return JSONResponse({"detail": detail}, status_code=status, headers=getattr(error, "headers", None))
