"""Answers of the OpenAI API in vLLM 0.32's shape, field by field."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from llmdctl.sandbox.engine import tokens
from llmdctl.sandbox.engine.arguments import Settings
from llmdctl.sandbox.engine.asking import Request

FINGERPRINT: Final = "vllm-0.32.0-llmdctl"
DONE: Final = b"data: [DONE]\n\n"


def usage(prompt: int, generated: int) -> dict[str, Any]:
    """Tokens of a whole answer."""
    return {
        "prompt_tokens": prompt,
        "total_tokens": prompt + generated,
        "completion_tokens": generated,
        "prompt_tokens_details": None,
        "completion_tokens_details": None,
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The text of one choice, word by word."""

    words: tuple[str, ...]
    reason: str  # why it ended


def whole(
    request: Request, answers: Sequence[Answer], transfer: Mapping[str, Any] | None, *, created: int
) -> dict[str, Any]:
    """An answer that is not streamed."""
    choices = [_choice(request, index, answer) for index, answer in enumerate(answers)]
    answer: dict[str, Any] = {
        "id": request.asked.id,
        "object": "chat.completion" if request.chat else "text_completion",
        "created": created,
        "model": request.model,
        "choices": choices,
        "service_tier": None,
        "system_fingerprint": FINGERPRINT,
        "usage": usage(len(request.asked.prompt), sum(len(answer.words) for answer in answers)),
    }
    if request.chat:
        answer |= {"prompt_logprobs": None, "prompt_token_ids": None, "prompt_text": None}
    return answer | {"kv_transfer_params": transfer, "ec_transfer_params": None, "metrics": None}


def _choice(request: Request, index: int, answer: Answer) -> dict[str, Any]:
    text = "".join(answer.words)
    end = {
        "logprobs": _logprobs(request, answer.words),
        "finish_reason": answer.reason,
        "stop_reason": None,
        "token_ids": None,
    }
    if request.chat:
        message = {
            "role": "assistant", "content": text, "refusal": None, "annotations": None, "audio": None,
            "function_call": None, "reasoning": None,
        }  # fmt: skip
        return {"index": index, "message": message, **end, "routed_experts": None}
    return {
        "index": index, "text": text, **end, "prompt_logprobs": None, "prompt_token_ids": None, "routed_experts": None,
    }  # fmt: skip


def _logprobs(request: Request, words: Sequence[str]) -> dict[str, Any] | None:
    """Numbers of the right shape: a model that makes noise is sure of nothing."""
    if not request.logprobs:
        return None
    value = -math.log(tokens.VOCABULARY)
    if request.chat:
        rows = [{"token": word, "logprob": value, "bytes": list(word.encode())} for word in words]
        return {"content": [{**row, "top_logprobs": [row] * request.logprobs} for row in rows]}
    lengths = [0, *itertools.accumulate(len(word) for word in words)]
    return {
        "text_offset": lengths[:-1],
        "token_logprobs": [value] * len(words),
        "tokens": list(words),
        "top_logprobs": [{word: value} for word in words],
    }


class Stream:
    """The chunks of one streamed answer."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._head = {
            "id": request.asked.id,
            "object": "chat.completion.chunk" if request.chat else "text_completion",
            "created": int(time.time()),
            "model": request.model,
        }

    def opening(self) -> bytes:
        """What comes before the first token of a chat."""
        if not self._request.chat:
            return b""
        choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
        return _event({**self._head, "choices": [choice], "prompt_token_ids": None, "prompt_text": None})

    def token(self, text: str, finished: str | None) -> bytes:
        """One token."""
        stop = {"stop_reason": None} if finished or not self._request.chat else {}
        if self._request.chat:
            choice: dict[str, Any] = {
                "index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": finished, **stop,
                "token_ids": None,
            }  # fmt: skip
        else:
            choice = {
                "index": 0, "text": text, "logprobs": None, "finish_reason": finished, **stop,
                "prompt_token_ids": None, "token_ids": None,
            }  # fmt: skip
        return _event({**self._head, "choices": [choice]})

    def closing(self, generated: int) -> bytes:
        """Usage, where it was asked for, and the end."""
        if not self._request.usage_in_stream:
            return DONE
        prompt = len(self._request.asked.prompt)
        numbers = {"prompt_tokens": prompt, "total_tokens": prompt + generated, "completion_tokens": generated}
        return _event({**self._head, "choices": [], "usage": numbers, "system_fingerprint": FINGERPRINT}) + DONE


def _event(content: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(content, separators=(",", ":")).encode() + b"\n\n"


def models(settings: Settings, loaded: Mapping[str, str]) -> dict[str, Any]:
    """/v1/models: the base model under each name, then the adapters."""
    rows = [_model(name, settings.model, None, settings.max_model_len) for name in settings.names]
    rows += [_model(name, path, settings.names[0], None) for name, path in loaded.items()]
    return {"object": "list", "data": rows}


def _model(name: str, root: str, parent: str | None, longest: int | None) -> dict[str, Any]:
    now = int(time.time())
    permission = {
        "id": f"modelperm-{name}", "object": "model_permission", "created": now, "allow_create_engine": False,
        "allow_sampling": True, "allow_logprobs": True, "allow_search_indices": False, "allow_view": True,
        "allow_fine_tuning": False, "organization": "*", "group": None, "is_blocking": False,
    }  # fmt: skip
    return {
        "id": name, "object": "model", "created": now, "owned_by": "vllm", "root": root, "parent": parent,
        "max_model_len": longest, "permission": [permission],
    }  # fmt: skip
