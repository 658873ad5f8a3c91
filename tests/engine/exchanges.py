"""What is asked of a server to compare the simulated vLLM with the real one: NAME -> (path, body); no body is a GET."""

from __future__ import annotations

from typing import Any

TEXT = "the quick brown fox jumps over the lazy dog. " * 26
COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "hello"}]
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}
ASKED: dict[str, tuple[str, Any]] = {
    "completion": (COMPLETIONS, {"model": "tiny", "prompt": TEXT, "max_tokens": 8}),
    "completion-tokens": (COMPLETIONS, {"model": "tiny", "prompt": [1, 2, 3], "max_tokens": 2}),
    "completion-n": (COMPLETIONS, {"model": "tiny", "prompt": "a b", "max_tokens": 2, "n": 8}),
    "completion-logprobs": (COMPLETIONS, {"model": "tiny", "prompt": "a b", "max_tokens": 2, "logprobs": 2}),
    "completion-stream": (COMPLETIONS, {"model": "tiny", "prompt": "a b", "max_tokens": 4, **STREAMED}),
    "chat": (CHAT, {"model": "tiny", "messages": MESSAGES, "max_tokens": 4}),
    "chat-stream": (
        CHAT,
        {
            "model": "tiny",
            "messages": MESSAGES,
            "max_tokens": 4,
            "stream": True,
            "stream_options": {"include_usage": True},
        },
    ),
    "tokenize": ("/tokenize", {"model": "tiny", "prompt": "hello world"}),
    "detokenize": ("/detokenize", {"model": "tiny", "tokens": [1, 2]}),
    "models": ("/v1/models", None),
    "version": ("/version", None),
    "load": ("/load", None),
    "health": ("/health", None),
    "ping": ("/ping", None),
}
REFUSED: dict[str, tuple[str, Any]] = {
    "err-model": (COMPLETIONS, {"model": "nope", "prompt": "x"}),
    "err-context": (COMPLETIONS, {"model": "tiny", "prompt": "a " * 4000, "max_tokens": 1}),
    "err-json": (COMPLETIONS, b'{"model":}'),
    "err-missing": (COMPLETIONS, {"model": "tiny", "max_tokens": 1}),
    "err-temp": (COMPLETIONS, {"model": "tiny", "prompt": "x", "temperature": -3}),
    "err-neg": (COMPLETIONS, {"model": "tiny", "prompt": "x", "max_tokens": -1}),
    "err-type": (COMPLETIONS, {"model": "tiny", "prompt": "x", "max_tokens": "many"}),
    "err-toolong": (COMPLETIONS, {"model": "tiny", "prompt": "x", "max_tokens": 99999}),
    "err-path": ("/v1/nothing", None),
    "err-method": (COMPLETIONS, None),
    "lora-load": ("/v1/load_lora_adapter", {"lora_name": "x", "lora_path": "/x"}),
}
