"""LoRA adapters that come and go while the server runs."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from llmdctl.sandbox.engine import bodies
from llmdctl.sandbox.engine.asking import RequestError


@dataclass(frozen=True, kw_only=True)
class Adapters:
    """Names and paths; what is loaded can be asked for as a model."""

    loaded: dict[str, str]

    def routes(self, prefix: str) -> list[Route]:
        """Those of vLLM (below /v1) and of SGLang (below /)."""
        return [
            Route(f"{prefix}/load_lora_adapter", self._load, methods=["POST"]),
            Route(f"{prefix}/unload_lora_adapter", self._unload, methods=["POST"]),
        ]

    async def _load(self, http: Request) -> Response:
        body = await bodies.read(http)
        name, path = str(body.get("lora_name") or ""), str(body.get("lora_path") or "")
        if not name or not path:
            raise RequestError("Both 'lora_name' and 'lora_path' must be provided.", kind="InvalidUserInput")
        if name in self.loaded and not body.get("load_inplace"):
            raise RequestError(f"The lora adapter '{name}' has already been loaded.", kind="InvalidUserInput")
        self.loaded[name] = path
        return Response(f"Success: LoRA adapter '{name}' added successfully.")

    async def _unload(self, http: Request) -> Response:
        name = str((await bodies.read(http)).get("lora_name") or "")
        if name not in self.loaded:
            raise RequestError(f"The lora adapter '{name}' cannot be found.", status=404, kind="NotFoundError")
        del self.loaded[name]
        return Response(f"Success: LoRA adapter '{name}' removed successfully.")
