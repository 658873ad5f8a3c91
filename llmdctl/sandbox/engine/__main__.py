"""`vllm serve ...` or `sglang serve ...`, simulated: the words after `python -m llmdctl.sandbox.engine`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from llmdctl.sandbox.engine.arguments import Settings, sglang_settings, vllm_settings
from llmdctl.sandbox.engine.capacity import model_length

_DATA: Final = Path(__file__).resolve().parents[2] / "lint" / "data"
_LONGEST: Final = 32_768  # tokens, of a model that is not known
_STORES: Final = ("valkey-server", "mooncake_master")
_TOKENIZER: Final = "uds-tokenizer"


def main(words: Sequence[str] | None = None) -> int:
    """Serve until a signal; a mistake in the arguments ends the process as the real engine's parser would."""
    stated = list(sys.argv[1:] if words is None else words)
    if stated[:1] and stated[0] in _STORES:
        from llmdctl.sandbox.engine import store

        store.main(stated[1:])
        return 0
    if stated[:1] == [_TOKENIZER]:
        from llmdctl.sandbox.engine import tokenizer

        return tokenizer.main(stated[1:])
    return _serve(read(stated), render=_vllm_words(stated)[:2] == ["launch", "render"])


def _serve(settings: Settings, *, render: bool) -> int:
    from llmdctl.sandbox.engine import building, rendering, serving

    if render:
        return serving.serve_app(rendering.Rendering(settings=settings).app(), settings.host, settings.port)
    try:
        apis = building.build(settings)
    except building.BuildError as mistake:
        sys.stderr.write(f"{mistake}\n")
        return 1
    return serving.serve(settings, apis, int(os.environ.get("VLLM_HTTP_TIMEOUT_KEEP_ALIVE", "5")))


def read(words: list[str]) -> Settings:
    """Settings of a command line: `serve ...` and `vllm ...` are vLLM's, anything of sglang is SGLang's."""
    words = _vllm_words(words)
    if words[:1] == ["serve"] or words[:2] == ["launch", "render"]:
        start = 1 if words[0] == "serve" else 2
        return vllm_settings(words[start:], _DATA / "vllm-0.32.0.json", model_max_len=_longest)
    if words[:2] == ["sglang", "serve"]:
        words = words[2:]
    elif words[:1] in (["sglang.launch_server"], ["sglang"]):
        words = words[1:]
    return sglang_settings(words, _DATA / "sglang-0.5.23.json", model_max_len=_longest)


def _longest(model: str) -> int:
    """The length that a model has by itself, tokens."""
    return int(os.environ.get("LLMDCTL_ENGINE_MAX_MODEL_LEN") or model_length(model) or _LONGEST)


def _vllm_words(words: list[str]) -> list[str]:
    return words[1:] if words[:1] == ["vllm"] else words


if __name__ == "__main__":
    sys.exit(main())
