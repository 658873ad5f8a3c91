"""The requests that verify sends, and what they are for. No prompt of a user is read, sent or shown."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Final

BUDGET: Final = 24
"""The most requests of one run; without --long a run sends `len(PLAN)` of them."""

MODELS: Final = "models"
SHORT: Final = "short"
WRONG: Final = "wrong-model"
STREAM: Final = "stream"
COLD: Final = "cold"
AGAIN: Final = ("again-1", "again-2")
LONG: Final = "long"
WAKE: Final = "wake"
WAKE_S: Final = 900.0
"""How long a sleeping release may take to answer: a node to come, an image to be pulled, a model to be loaded."""
PLAN: Final = (MODELS, SHORT, WRONG, STREAM, COLD, *AGAIN)
"""In the order of sending. `cold` and `again-N` are one long prompt; `long` is sent with --long only."""

NO_MODEL: Final = "llmdctl-verify-no-such-model"
_MAX_TOKENS: Final = 4
LONG_S: Final = 65.0
_LONG_TOKENS: Final = 32_768  # 500 a second for so long; the reader hangs up then, and the engine stops
_LONG_UNKNOWN: Final = 8_192 + 64
_ROOM: Final = 64  # tokens, for the prompt of the long stream
_BLOCKS: Final = 8  # of the KV cache, in the prompt that is repeated: enough that a hit is no accident
_MOST_TOKENS: Final = 4096
_MARGIN: Final = 1.25  # a word is one token in most tokenizers, not in all
_WORDS: Final = (
    "the", "of", "and", "to", "in", "is", "it", "that", "was", "for", "on", "are", "as", "with", "his", "they", "at",
    "be", "this", "have", "from", "or", "one", "had", "by", "not", "but", "what", "all", "were", "when", "we", "there",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """One request as it goes out."""

    name: str
    method: str
    path: str
    body: bytes | None = None
    stream: bool = False


def prompt_words(block_size: int, max_model_len: int | None, *, above: int = 0) -> int:
    """How many words the repeated prompt has: eight blocks and more than `above` tokens, at most 4,096, and at most
    half of what the model takes.
    """
    wanted = min(max(_BLOCKS * block_size, int(above * _MARGIN)), _MOST_TOKENS)
    return max(min(wanted, (max_model_len or 2 * wanted) // 2), 16)


def requests(model: str, *, words: int, seed: int, long: bool, length: int | None = None) -> tuple[Sent, ...]:
    """The requests of a run, for one model that takes `length` tokens, None where nobody says. `seed` makes the long
    prompt one that nobody has seen.
    """
    text = prompt(words, seed)
    repeated = [_completion(name, model, text) for name in (COLD, *AGAIN)]
    found = [
        Sent(name=MODELS, method="GET", path="/v1/models"),
        _completion(SHORT, model, "Say yes."),
        _completion(WRONG, NO_MODEL, "Say yes."),
        _completion(STREAM, model, "Count to ten.", max_tokens=8, stream=True),
        *repeated,
    ]
    if long:  # as many tokens as it takes: the reader stops after LONG_S seconds
        tokens = min(_LONG_TOKENS, max((length or _LONG_UNKNOWN) - _ROOM, _MAX_TOKENS))
        found.append(_completion(LONG, model, "Count as far as you can.", max_tokens=tokens, stream=True, endless=True))
    return tuple(found)


def wake(model: str) -> Sent:
    """The one request that a sleeping release is woken by."""
    return _completion(WAKE, model, "Wake up.")


def prompt(words: int, seed: int) -> str:
    """Words without a meaning, different from the first one on for every seed."""
    chosen = random.Random(seed)
    return f"{seed:x} " + " ".join(chosen.choice(_WORDS) for _ in range(words))


def _completion(
    name: str, model: str, text: str, *, max_tokens: int = _MAX_TOKENS, stream: bool = False, endless: bool = False
) -> Sent:
    body: dict[str, object] = {"model": model, "prompt": text, "max_tokens": max_tokens, "temperature": 0}
    body |= {"stream": True} if stream else {}
    body |= {"ignore_eos": True} if endless else {}
    return Sent(
        name=name, method="POST", path="/v1/completions", body=json.dumps(body).encode(), stream=stream
    )  # fmt: skip
