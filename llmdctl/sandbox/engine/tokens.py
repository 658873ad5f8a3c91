"""Text to tokens and back, the same in every process, and the tokens that a prompt is answered with."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Final

VOCABULARY: Final = 50_000
"""Token numbers are below it; a word that was never seen shares its number with others of the same hash."""

_PIECE: Final = re.compile(r"\s?[^\W_]{1,4}|\s?[^\w\s]|\s|_")
_WORDS: Final = (
    "the", "of", "and", "to", "in", "is", "that", "for", "it", "as", "was", "with", "be", "by", "on", "not", "he",
    "are", "or", "his", "from", "at", "which", "but", "have", "an", "had", "they", "you", "were", "one", "all",
)  # fmt: skip


def encode(text: str) -> list[int]:
    """The tokens of a text: pieces of up to four letters with the space before them, as real tokenizers cut."""
    return [_number(piece) for piece in _PIECE.findall(text)]


def pieces(text: str) -> list[str]:
    """The text as it is cut; joined again it is the text."""
    return _PIECE.findall(text)


def decode(token: int) -> str:
    """The text of a token that was generated; of any other a word that stands for it."""
    return f" {_WORDS[token % len(_WORDS)]}"


def answer(prompt: Sequence[int], seed: int | None = None) -> Iterator[int]:
    """Endless tokens that follow from the prompt (and the seed, where the request has one) and from nothing else."""
    digest = hashlib.sha256(repr((tuple(prompt), seed)).encode()).digest()
    index = 0
    while True:
        block = hashlib.sha256(digest + index.to_bytes(8, "big")).digest()
        yield from (int.from_bytes(block[at : at + 2], "big") % VOCABULARY for at in range(0, len(block), 2))
        index += 1


def natural_length(prompt: Sequence[int], *, shortest: int = 16, longest: int = 256) -> int:
    """How many tokens the answer has before the model would stop by itself."""
    digest = hashlib.sha256(b"length" + repr(tuple(prompt)).encode()).digest()
    return shortest + int.from_bytes(digest[:4], "big") % (longest - shortest + 1)


def _number(piece: str) -> int:
    return int.from_bytes(hashlib.blake2b(piece.encode(), digest_size=4).digest(), "big") % VOCABULARY
