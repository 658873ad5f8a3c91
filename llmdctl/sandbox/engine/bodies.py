"""What comes in and goes out over HTTP, whatever the route: bodies, and refusals in vLLM's words."""

from __future__ import annotations

import json
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from llmdctl.sandbox.engine.asking import RequestError


async def read(http: Request) -> dict[str, Any]:
    """The JSON object of a request. Raises RequestError."""
    raw = await http.body()
    try:
        found = json.loads(raw)
    except ValueError as cause:
        place = getattr(cause, "pos", 0)
        raise RequestError(
            f"1 validation error:\n  {{'type': 'json_invalid', 'loc': 'body.{place}', 'msg': 'JSON decode error',"
            f" 'input': '<dict of 0 items>', 'ctx': {{'error': '{getattr(cause, 'msg', cause)}'}}}}",
            kind="Bad Request", param=f"body.{place}",
        ) from cause  # fmt: skip
    return found if isinstance(found, dict) else {}


async def refused(_: Request, error: Exception) -> Response:
    """A refusal as the OpenAI API has it."""
    assert isinstance(error, RequestError)
    return JSONResponse(error.body, status_code=error.status)


async def detail(_: Request, error: Exception) -> Response:
    """A path or method that is not there."""
    status = int(getattr(error, "status_code", 404))
    text = "Method Not Allowed" if status == 405 else "Not Found"
    return JSONResponse({"detail": text}, status_code=status, headers=getattr(error, "headers", None))


HANDLERS: Final[dict[Any, Any]] = {404: detail, 405: detail, RequestError: refused}
