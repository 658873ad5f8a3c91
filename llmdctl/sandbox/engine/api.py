"""The HTTP side: the engine's routes over one or several ranks."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from llmdctl.sandbox.engine import bodies, faults, shapes, tokens
from llmdctl.sandbox.engine.adapters import Adapters
from llmdctl.sandbox.engine.arguments import Settings
from llmdctl.sandbox.engine.asking import Request, RequestError, understood
from llmdctl.sandbox.engine.events import Publisher
from llmdctl.sandbox.engine.exposition import Page
from llmdctl.sandbox.engine.rendering import Rendering
from llmdctl.sandbox.engine.running import Engine, RefusedError
from llmdctl.sandbox.engine.sequence import Asked
from llmdctl.sandbox.engine.transfer import SideChannel, TransferError, fetch

VERSION: Final = "0.32.0"
_FETCH_S: Final = 60.0  # how long SGLang's decode side waits for its prefill


@dataclass(frozen=True, kw_only=True)
class Rank:
    """One rank behind an API. `side_channel` is where its blocks can be fetched, as (host, port)."""

    number: int
    engine: Engine
    publisher: Publisher
    side_channel: tuple[str, int] | None
    id: str

    async def run(self) -> None:
        """The engine and what belongs to it, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.engine.run())
            if self.side_channel is not None:
                host, port = self.side_channel
                group.create_task(SideChannel(engine=self.engine, address=f"tcp://{host}:{port}").serve())
            if self.publisher.replay_endpoint:
                group.create_task(self.publisher.replay())


@dataclass(kw_only=True)
class Api:
    """Ranks behind one address."""

    settings: Settings
    ranks: tuple[Rank, ...]
    page: Page
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    loaded: dict[str, str] = field(default_factory=dict)  # LoRA adapters: name -> path
    serving: int = 0

    def app(self) -> Starlette:
        """The application; the engines run while it does."""
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
        return Starlette(routes=routes, exception_handlers=bodies.HANDLERS, lifespan=self._life)

    def _vllm(self) -> list[Route]:
        routes = [
            *Rendering(settings=self.settings, loaded=self.loaded).routes(),
            Route("/ping", self._health, methods=["GET", "POST"]),
            Route("/version", self._version),
            Route("/load", self._load),
            Route("/reset_prefix_cache", self._reset, methods=["POST"]),
        ]
        if self.settings.lora and self._allows("VLLM_ALLOW_RUNTIME_LORA_UPDATING"):
            routes += Adapters(loaded=self.loaded).routes("/v1")
        if self._allows("VLLM_SERVER_DEV_MODE"):
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
            *(Adapters(loaded=self.loaded).routes("") if self.settings.lora else ()),
        ]

    def _allows(self, name: str) -> bool:
        return self.environment.get(name, "").lower() in ("1", "true")

    @asynccontextmanager
    async def _life(self, _: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(rank.run()) for rank in self.ranks]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for rank in self.ranks:
            rank.publisher.close()

    async def _completions(self, http: HttpRequest) -> Response:
        return await self._answer(http, chat=False)

    async def _chat(self, http: HttpRequest) -> Response:
        return await self._answer(http, chat=True)

    async def _answer(self, http: HttpRequest, *, chat: bool) -> Response:
        self._authorised(http)
        request = understood(await bodies.read(http), settings=self.settings, loaded=self.loaded, chat=chat)
        rank = self._rank(http)
        if random.random() < rank.engine.faults.error_rate:
            raise RequestError("EngineCore encountered an issue.", status=500, kind="InternalServerError")
        if rank.engine.refusal:
            raise RequestError(rank.engine.refusal, status=503, kind="ServiceUnavailableError")
        offered = await self._fetched(rank, request)
        if request.stream:
            return StreamingResponse(self._streamed(rank, request, offered), media_type="text/event-stream")
        return JSONResponse(await self._whole(rank, request, offered))

    def _rank(self, http: HttpRequest) -> Rank:
        """The rank that a request names, as vLLM takes it, or the one with the least to do."""
        named = http.headers.get("x-data-parallel-rank", "")
        for rank in self.ranks:
            if named == str(rank.number):
                return rank
        return min(self.ranks, key=lambda rank: rank.engine.load)

    async def _fetched(self, rank: Rank, request: Request) -> int:
        """Prompt tokens whose blocks another server gave."""
        began_s = time.monotonic()
        try:
            if request.transfer.get("do_remote_prefill"):
                host, port = str(request.transfer["remote_host"]), int(request.transfer["remote_port"])
                tokens = await fetch(host, port, str(request.transfer["remote_request_id"]))
            elif request.bootstrap and self.settings.disaggregation == "decode":
                tokens = await fetch(*request.bootstrap, request.room, wait_s=_FETCH_S)
            else:
                return 0
        except (TransferError, KeyError, ValueError) as cause:
            rank.engine.recorder.fetch_failed()
            rank.engine.revision += 1
            if self.settings.kv_transfer.get("kv_load_failure_policy", "fail") == "recompute":
                return 0
            raise RequestError(f"KV transfer failed: {cause}", status=500, kind="InternalServerError") from cause
        rank.engine.recorder.fetched(tokens, time.monotonic() - began_s)
        return tokens

    async def _streamed(self, rank: Rank, request: Request, offered: int) -> AsyncIterator[bytes]:
        stream, generated = shapes.Stream(request), 0
        opened = False
        self.serving += 1
        try:
            async for token in rank.engine.answer(request.asked, offered=offered):
                if not opened:
                    opened = True
                    yield stream.opening()
                generated += 1
                yield stream.token(tokens.decode(token.token), token.finished)
            yield stream.closing(generated)
        finally:
            self.serving -= 1

    async def _whole(self, rank: Rank, request: Request, offered: int) -> dict[str, Any]:
        self.serving += 1
        try:
            rows = await asyncio.gather(*(_collected(rank, asked, offered) for asked in request.copies()))
        except RefusedError as cause:
            raise RequestError(str(cause), status=503, kind="ServiceUnavailableError") from cause
        finally:
            self.serving -= 1
        return shapes.whole(request, rows, self._transfer(rank, request), created=int(time.time()))

    def _transfer(self, rank: Rank, request: Request) -> dict[str, Any] | None:
        """What the decode side needs to fetch the blocks of this prefill."""
        if not request.transfer.get("do_remote_decode") or rank.side_channel is None:
            return None
        host, port = rank.side_channel
        blocks = -(-len(request.asked.prompt) // self.settings.block_size)
        return {
            "do_remote_prefill": True,
            "do_remote_decode": False,
            "remote_block_ids": [list(range(blocks))],
            "remote_engine_id": rank.id,
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
        return JSONResponse(shapes.models(self.settings, self.loaded))

    async def _metrics(self, _: HttpRequest) -> Response:
        if self.ranks[0].engine.faults.deaf_metrics:
            return Response(status_code=503)
        revision = sum(rank.engine.revision for rank in self.ranks)
        text = self.page.text(revision, busy=any(rank.engine.load for rank in self.ranks))
        return Response(text, media_type="text/plain; version=1.0.0; charset=utf-8")

    async def _health(self, _: HttpRequest) -> Response:
        return Response(status_code=503 if any(rank.engine.faults.unhealthy for rank in self.ranks) else 200)

    async def _health_generate(self, _: HttpRequest) -> Response:
        """Healthy is who makes a token."""
        prompt = tuple(tokens.encode("health"))
        asked = Asked(id="health", prompt=prompt, max_tokens=1, answer=tokens.answer(prompt), natural_length=2)
        try:
            await asyncio.wait_for(_collected(self.ranks[0], asked, 0), 20)
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
        done = [rank.engine.forget() for rank in self.ranks]
        return Response(status_code=200 if all(done) else 500)

    async def _sleep(self, http: HttpRequest) -> Response:
        for rank in self.ranks:
            rank.engine.sleep(int(http.query_params.get("level", "1")))
        return Response(status_code=200)

    async def _wake(self, _: HttpRequest) -> Response:
        for rank in self.ranks:
            rank.engine.wake()
        return Response(status_code=200)

    async def _sleeping(self, _: HttpRequest) -> Response:
        return JSONResponse({"is_sleeping": self.ranks[0].engine.asleep > 0})

    async def _faults(self, http: HttpRequest) -> Response:
        if http.method == "POST":
            body = await bodies.read(http)
            if body.get("crash"):
                os._exit(int(body["crash"]))
            try:
                for rank in self.ranks:
                    faults.switch(rank.engine.faults, body)
            except faults.SwitchError as mistake:
                raise RequestError(str(mistake)) from mistake
        return JSONResponse(faults.shown(self.ranks[0].engine.faults))


async def _collected(rank: Rank, asked: Asked, offered: int) -> shapes.Answer:
    words: list[str] = []
    reason = "stop"
    async for token in rank.engine.answer(asked, offered=offered):
        words.append(tokens.decode(token.token))
        reason = token.finished or reason
    return shapes.Answer(words=tuple(words), reason=reason)
