"""The process: its ports, its signals, and the group of pods it starts with."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Iterator, Sequence
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from llmdctl.sandbox.engine.api import Api
from llmdctl.sandbox.engine.arguments import Settings
from llmdctl.sandbox.engine.ranks import Group

_LOG: Final = logging.getLogger("uvicorn.error")
_TICK_S: Final = 1.0  # uvicorn renews the Date header that often; it looks for its end ten times a second by itself
_AGAIN_S: Final = 0.5  # between two tries to reach the leader
LOST: Final = 1  # exit code of a pod whose leader is gone
_SUPERVISOR: Final = ("/health", "/ready", "/readyz")  # vLLM 0.32.0, vllm/entrypoints/launchers/dp_supervisor.py
_FOLLOWER: Final = ("/health", "/health_generate", "/ping")  # launch_dummy_health_check_server of SGLang


class _Server(uvicorn.Server):
    """A server without signals of its own, which wakes up once a second instead of ten times."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._end = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), _TICK_S)

    def end(self) -> None:
        """Take no more connections; a second time: drop those that are open."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._end.set()


def serve(settings: Settings, apis: Sequence[Api], keep_alive_s: int) -> int:
    """Serve until a signal; the exit code."""
    return asyncio.run(_serve(settings, apis, keep_alive_s))


def serve_app(app: Starlette, host: str, port: int) -> int:
    """An application without ranks, until a signal."""
    return asyncio.run(_until_signal([_server(app, host, port, limit_s=None, keep_alive_s=5)], [], None))


async def _serve(settings: Settings, apis: Sequence[Api], keep_alive_s: int) -> int:
    for number in (signal.SIGTERM, signal.SIGINT):  # the first process of a container has no default action
        asyncio.get_running_loop().add_signal_handler(number, os._exit, 0)
    ranks = settings.ranks
    leader = asyncio.create_task(_leader(ranks.group)) if ranks.group else None
    if ranks.group and not ranks.group.leader:
        await _reached(ranks.group)
    apps: list[tuple[Starlette, int]] = []
    if ranks.serves == "health":
        apps = [(_healthy(_FOLLOWER, ()), settings.port)]
    elif ranks.serves == "all":
        apps = [(api.app(), settings.port + place) for place, api in enumerate(apis)]
        if ranks.supervisor_port is not None:
            apps.append((_healthy(_SUPERVISOR, apis), ranks.supervisor_port))
    servers = [
        _server(app, settings.host, port, limit_s=settings.shutdown_s, keep_alive_s=keep_alive_s) for app, port in apps
    ]
    return await _until_signal(servers, apis, leader)


async def _until_signal(servers: Sequence[_Server], apis: Sequence[Api], leader: asyncio.Task[None] | None) -> int:
    ended = asyncio.Event()

    def end() -> None:
        for api in apis:
            for rank in api.ranks:
                rank.engine.draining = True  # what runs is finished, nothing new begins
        for server in servers:
            server.end()
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    work = asyncio.gather(*(server.serve() for server in servers)) if servers else asyncio.create_task(_wait(ended))
    watched = [work, *([leader] if leader else [])]
    await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
    if leader and leader.done() and not ended.is_set():
        _LOG.error("the leader of the group is gone: %s", leader.exception() or "it closed the connection")
        return LOST
    await work
    if leader:
        leader.cancel()
    return 0


async def _wait(ended: asyncio.Event) -> None:
    await ended.wait()


def _server(app: Starlette, host: str, port: int, *, limit_s: int | None, keep_alive_s: int) -> _Server:
    config = uvicorn.Config(
        app, host=host, port=port, log_level="info", access_log=False, timeout_graceful_shutdown=limit_s,
        timeout_keep_alive=keep_alive_s,
    )  # fmt: skip
    return _Server(config)


def _healthy(paths: Sequence[str], apis: Sequence[Api]) -> Starlette:
    """Health alone, on the paths of a follower of SGLang, or of vLLM's supervisor, which answers for all its ranks."""

    async def health(_: Request) -> Response:
        well = not any(rank.engine.faults.unhealthy for api in apis for rank in api.ranks)
        return Response(status_code=200 if well else 503)

    return Starlette(routes=[Route(path, health) for path in paths])


async def _leader(group: Group) -> None:
    """The leader listens for the others; they end when the connection to it does."""
    if group.leader:
        server = await asyncio.start_server(_held, None, group.port)
        async with server:
            await server.serve_forever()
    reader, _ = await _reached(group)
    await reader.read()


async def _held(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        await reader.read()
    writer.close()


async def _reached(group: Group) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    while True:
        try:
            return await asyncio.open_connection(group.host, group.port)
        except OSError:
            await asyncio.sleep(_AGAIN_S)
