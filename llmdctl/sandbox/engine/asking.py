"""Requests of the OpenAI API as vLLM 0.32 takes and refuses them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from llmdctl.sandbox.engine import tokens
from llmdctl.sandbox.engine.arguments import Settings
from llmdctl.sandbox.engine.sequence import Asked

_DEFAULT_TOKENS: Final = 16  # of a completion that states no max_tokens, by the OpenAI API


class RequestError(Exception):
    """A request that is refused."""

    def __init__(
        self, message: str, *, status: int = 400, kind: str = "BadRequestError", param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.kind, self.param = status, kind, param

    @property
    def body(self) -> dict[str, Any]:
        """As it is answered."""
        return {"error": {"message": str(self), "type": self.kind, "param": self.param, "code": self.status}}


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request, understood."""

    asked: Asked
    model: str  # as the client named it
    chat: bool
    stream: bool
    usage_in_stream: bool
    count: int  # n
    logprobs: int  # how many alternatives of each token are shown; 0: none at all
    transfer: Mapping[str, Any] = field(default_factory=dict)  # kv_transfer_params
    room: str = ""  # SGLang's bootstrap_room
    bootstrap: tuple[str, int] | None = None

    def copies(self) -> Iterator[Asked]:
        """The request as often as `n` says, each copy with an answer of its own."""
        yield self.asked
        for index in range(1, self.count):
            yield replace(
                self.asked, id=f"{self.asked.id}-{index}", answer=tokens.answer(self.asked.prompt, seed=-index)
            )


def understood(body: object, *, settings: Settings, loaded: Mapping[str, str], chat: bool) -> Request:
    """A request from its JSON body. Raises RequestError with vLLM's own code, type and words."""
    if not isinstance(body, Mapping):
        raise RequestError(
            "1 validation error:\n  {'type': 'model_attributes_type', 'loc': 'body'}", kind="Bad Request"
        )
    model = body.get("model") or settings.names[0]
    if model not in settings.names and model not in loaded:
        names = ", ".join((*settings.names, *loaded))
        raise RequestError(
            f"The model `{model}` does not exist. Valid aliases: {names}.",
            status=404,
            kind="NotFoundError",
            param="model",
        )
    prompt = _chat(body) if chat else _prompt(body)
    if chat and not prompt:
        raise RequestError("1 validation error:\n  {'type': 'missing', 'loc': 'body.messages'}", kind="Bad Request")
    number = _max_tokens(body, len(prompt), settings, chat=chat)
    _sampling(body)
    transfer = body.get("kv_transfer_params")
    transfer = transfer if isinstance(transfer, Mapping) else {}
    room = body.get("bootstrap_room")
    seed = body.get("seed") if body.get("temperature") not in (0, 0.0) else None
    keeps = transfer.get("do_remote_decode") or (room is not None and settings.disaggregation == "prefill")
    asked = Asked(
        id=str(room) if room is not None else f"{'chatcmpl' if chat else 'cmpl'}-{secrets.token_hex(8)}",
        prompt=tuple(prompt),
        max_tokens=number,
        answer=tokens.answer(prompt, seed if isinstance(seed, int) else None),
        natural_length=number + 1 if body.get("ignore_eos") else _natural(body, prompt),
        priority=int(body.get("priority") or 0),
        lora=str(model) if model in loaded else None,
        salt=str(body.get("cache_salt") or ""),
        keep_for_s=float(transfer.get("lease_s") or 480.0) if keeps else 0.0,  # vLLM's VLLM_NIXL_ABORT_REQUEST_TIMEOUT
    )
    options = body.get("stream_options")
    host = body.get("bootstrap_host")
    return Request(
        asked=asked, model=str(model), chat=chat, stream=bool(body.get("stream")),
        usage_in_stream=isinstance(options, Mapping) and bool(options.get("include_usage")),
        count=int(body.get("n") or 1), logprobs=_logprobs(body), transfer=transfer,
        room="" if room is None else str(room),
        bootstrap=(str(host), int(body.get("bootstrap_port") or 8998)) if host else None,
    )  # fmt: skip


def chat_text(messages: object) -> str:
    """Messages as one text: the template of a model without one of its own."""
    rows = messages if isinstance(messages, list) else []
    parts = [f"<|{row.get('role')}|>{_content(row.get('content'))}" for row in rows if isinstance(row, Mapping)]
    return "".join((*parts, "<|assistant|>")) if parts else ""


def _content(content: object) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return str(content or "")


def _chat(body: Mapping[str, Any]) -> list[int]:
    return tokens.encode(chat_text(body.get("messages")))


def _prompt(body: Mapping[str, Any]) -> list[int]:
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and not isinstance(prompt[0], int):
        prompt = prompt[0]
    if isinstance(prompt, list) and prompt and all(isinstance(token, int) for token in prompt):
        return list(prompt)
    if not isinstance(prompt, str) or not prompt:
        raise RequestError(
            "Either prompt or prompt_embeds must be provided and non-empty. (parameter=prompt)", param="prompt"
        )
    return tokens.encode(prompt)


def _max_tokens(body: Mapping[str, Any], length: int, settings: Settings, *, chat: bool) -> int:
    name = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    stated, longest = body.get(name), settings.max_model_len
    if stated is not None and (isinstance(stated, bool) or not isinstance(stated, int)):
        raise RequestError(
            f"1 validation error:\n  {{'type': 'int_parsing', 'loc': 'body.{name}', 'msg': 'Input should be a valid"
            f" integer, unable to parse string as an integer', 'input': {stated!r}}}",
            kind="Bad Request", param=f"body.{name}",
        )  # fmt: skip
    if stated is not None and stated < 1:
        raise RequestError(f"{name} must be at least 1, got {stated}. (parameter={name}, value={stated})", param=name)
    if stated is not None and stated > longest:
        raise RequestError(
            f"{name}={stated} cannot be greater than max_model_len={longest}. Please request fewer output tokens."
            f" (parameter={name}, value={stated})",
            param=name,
        )
    if length > longest:
        raise RequestError(
            f"This model's maximum context length is {longest} tokens. However, your prompt contains at least"
            f" {longest + 1} input tokens, which exceeds this limit even without any output tokens. Please reduce the"
            f" length of the input prompt. (parameter=input_tokens, value={longest + 1})",
            param="input_tokens",
        )
    if stated is not None and length + stated > longest:
        raise RequestError(
            f"This model's maximum context length is {longest} tokens. However, you requested {stated} output tokens"
            f" and your prompt contains {length} input tokens, for a total of {length + stated} tokens. Please reduce"
            f" the length of the input prompt or the number of requested output tokens."
            f" (parameter=input_tokens, value={length})",
            param="input_tokens",
        )
    room = max(longest - length, 1)
    return stated if stated is not None else room if chat else min(_DEFAULT_TOKENS, room)


def _sampling(body: Mapping[str, Any]) -> None:
    temperature = body.get("temperature")
    if isinstance(temperature, (int, float)) and temperature < 0:
        value = float(temperature)
        raise RequestError(
            f"temperature must be non-negative, got {value}. (parameter=temperature, value={value})",
            param="temperature",
        )


def _logprobs(body: Mapping[str, Any]) -> int:
    """`logprobs: 3` of a completion, `logprobs: true, top_logprobs: 3` of a chat."""
    stated = body.get("logprobs")
    if stated is True:
        return max(int(body.get("top_logprobs") or 0), 1)
    return int(stated or 0)


def _natural(body: Mapping[str, Any], prompt: list[int]) -> int:
    return max(tokens.natural_length(prompt), int(body.get("min_tokens") or 0))
