"""One request inside the engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from llmdctl.sandbox.engine.blocks import Chain, first_digest

LENGTH: Final = "length"
STOP: Final = "stop"
ABORT: Final = "abort"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a request asks for, once it is understood."""

    id: str
    prompt: tuple[int, ...]
    max_tokens: int
    answer: Iterator[int]
    natural_length: int  # tokens after which the model stops by itself; beyond max_tokens: never
    priority: int = 0  # lower is served first, as vLLM has it
    lora: str | None = None
    salt: str = ""
    keep_for_s: float = 0.0  # a prefill for another server: how long its blocks wait to be fetched


@dataclass(kw_only=True, slots=True, eq=False)
class Sequence:
    """A request on its way. `computed` counts tokens whose KV is there."""

    asked: Asked
    arrived_s: float
    block_size: int
    seed: str = ""  # of the hashes of its blocks
    tokens: list[int] = field(init=False)
    _chain: Chain = field(init=False)
    blocks: list[int] = field(default_factory=list)
    computed: int = 0
    filled: int = 0  # full blocks that the pool knows of
    started_s: float | None = None
    first_token_s: float | None = None
    last_token_s: float | None = None
    preemptions: int = 0
    cached: int = 0  # prompt tokens found in the cache at the first try
    fetched: int = 0  # prompt tokens that came from a tier or another server
    offered: int = 0  # prompt tokens whose KV another server has ready
    shared: frozenset[int] = frozenset()  # hashes that a shared store has
    from_tier: int = 0  # prompt tokens that came from the host's memory
    from_shared: int = 0  # ... and from the shared store
    finished: str | None = None  # a finish reason
    first_computed: int = 0  # prompt tokens that were computed here

    def __post_init__(self) -> None:
        self.tokens = list(self.asked.prompt)
        extra = f"{self.asked.lora or ''}\0{self.asked.salt}"
        self._chain = Chain(size=self.block_size, digest=first_digest(seed=self.seed, extra=extra))
        self._chain.extend(self.tokens)

    @property
    def hashes(self) -> list[int]:
        """Of the full blocks."""
        return self._chain.hashes

    @property
    def prompt_length(self) -> int:
        return len(self.asked.prompt)

    @property
    def generated(self) -> int:
        """Tokens of the answer so far."""
        return len(self.tokens) - self.prompt_length

    @property
    def missing(self) -> int:
        """Tokens whose KV must be computed before the next token can come."""
        return len(self.tokens) - self.computed

    def append(self, token: int) -> None:
        """One more token of the answer."""
        self.tokens.append(token)
        if len(self.tokens) % self.block_size == 0:
            self._chain.extend(self.tokens)

    def preempt(self) -> None:
        """All is forgotten but the tokens."""
        self.blocks, self.computed, self.filled = [], 0, 0
        self.preemptions += 1
