"""Prompts as the tokens that the engine works on: the routes of a server, and of vLLM's render service alone.

`vllm launch render` serves them without a model; the endpoint picker asks it for the tokens of a prompt
(https://docs.vllm.ai/en/stable/cli/launch/render/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from llmdctl.sandbox.engine import bodies, shapes, tokens
from llmdctl.sandbox.engine.arguments import Settings
from llmdctl.sandbox.engine.asking import chat_text, understood


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """Text to tokens and back, by the settings of one model."""

    settings: Settings
    loaded: Mapping[str, str] = field(default_factory=dict)

    def routes(self) -> list[Route]:
        """Those of vLLM."""
        return [
            Route("/v1/completions/render", self._completion, methods=["POST"]),
            Route("/v1/chat/completions/render", self._chat, methods=["POST"]),
            Route("/tokenize", self._tokenize, methods=["POST"]),
            Route("/detokenize", self._detokenize, methods=["POST"]),
        ]

    def app(self) -> Starlette:
        """The render service."""
        return Starlette(
            routes=[*self.routes(), Route("/health", _healthy), Route("/v1/models", self._models)],
            exception_handlers=bodies.HANDLERS,
        )

    async def _completion(self, http: Request) -> Response:
        return JSONResponse([self._rendered(await bodies.read(http), chat=False)])

    async def _chat(self, http: Request) -> Response:
        return JSONResponse(self._rendered(await bodies.read(http), chat=True))

    def _rendered(self, body: object, *, chat: bool) -> dict[str, Any]:
        request = understood(body, settings=self.settings, loaded=self.loaded, chat=chat)
        return {"request_id": request.asked.id, "token_ids": list(request.asked.prompt)}

    async def _tokenize(self, http: Request) -> Response:
        body = await bodies.read(http)
        text = str((body.get("prompt") if "prompt" in body else chat_text(body.get("messages"))) or "")
        found = tokens.encode(text)
        words = tokens.pieces(text) if body.get("return_token_strs") else None
        longest = self.settings.max_model_len
        return JSONResponse({"count": len(found), "max_model_len": longest, "tokens": found, "token_strs": words})

    async def _detokenize(self, http: Request) -> Response:
        body = await bodies.read(http)
        return JSONResponse({"prompt": "".join(tokens.decode(token) for token in body.get("tokens") or ())})

    async def _models(self, _: Request) -> Response:
        return JSONResponse(shapes.models(self.settings, self.loaded))


async def _healthy(_: Request) -> Response:
    return Response(status_code=200)
