"""The KV cache of one rank: blocks of tokens, shared by prefix, the least recently used forgotten first.

The rules are vLLM's (https://docs.vllm.ai/en/stable/design/prefix_caching.html): only full blocks are shared; a block
is known by the hash of its tokens and of the block before it; a freed block keeps its content until it is needed, the
end of a sequence before its beginning; of a prompt at least one token is computed, however much is known.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """Full blocks that have come, one after the other."""

    hashes: tuple[int, ...]
    parent: int | None
    tokens: tuple[int, ...]
    block_size: int
    medium: str = "GPU"
    lora: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Removed:
    """Blocks that are forgotten."""

    hashes: tuple[int, ...]
    medium: str = "GPU"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cleared:
    """Everything is forgotten."""


Event = Stored | Removed | Cleared


def first_digest(*, seed: str = "", extra: str = "") -> bytes:
    """What the first block follows. `extra` keeps apart what must not be shared: a LoRA adapter, a cache salt."""
    return hashlib.sha256(f"{seed}\0{extra}".encode()).digest()


def next_digest(before: bytes, tokens: Sequence[int]) -> bytes:
    """Of a full block after another; its first 64 bits are the block's hash."""
    return hashlib.sha256(before + ",".join(map(str, tokens)).encode()).digest()


def hash_blocks(tokens: Sequence[int], size: int, *, seed: str = "", extra: str = "") -> list[int]:
    """The hashes of the full blocks of a sequence, each 64 bits."""
    chain = Chain(size=size, digest=first_digest(seed=seed, extra=extra))
    chain.extend(tokens)
    return chain.hashes


@dataclass(kw_only=True, slots=True)
class Chain:
    """The hashes of a sequence that grows."""

    size: int
    digest: bytes
    hashes: list[int] = field(default_factory=list)

    def extend(self, tokens: Sequence[int]) -> None:
        """Hash the blocks that are full now; `tokens` are all of the sequence."""
        for at in range(len(self.hashes) * self.size, len(tokens) - self.size + 1, self.size):
            self.digest = next_digest(self.digest, tokens[at : at + self.size])
            self.hashes.append(int.from_bytes(self.digest[:8], "big"))


@dataclass(slots=True)
class _Block:
    known_as: int | None = None  # hash of its content once it is full
    users: int = 0


@dataclass(kw_only=True)
class BlockPool:
    """`count` blocks of `size` tokens."""

    count: int
    size: int
    caching: bool = True
    told: Callable[[Event], None] = lambda _: None
    _blocks: list[_Block] = field(init=False, default_factory=list)  # those that were ever taken
    _freed: OrderedDict[int, None] = field(init=False, default_factory=OrderedDict)  # the next to be taken first
    _known: dict[int, int] = field(init=False, default_factory=dict)  # hash -> block

    @property
    def free(self) -> int:
        """Blocks that nobody uses, remembered or not."""
        return self.count - len(self._blocks) + len(self._freed)

    @property
    def usage(self) -> float:
        """The part of the blocks that sequences hold, 0 to 1."""
        return 1 - self.free / self.count if self.count else 0.0

    def matched(self, hashes: Sequence[int]) -> list[int]:
        """The blocks of the longest known beginning."""
        found: list[int] = []
        for known_as in hashes:
            block = self._known.get(known_as) if self.caching else None
            if block is None:
                break
            found.append(block)
        return found

    def take(self, known: Sequence[int], more: int) -> list[int] | None:
        """Hold these known blocks and `more` new ones; None, and nothing held, where there is no room."""
        unused = sum(1 for block in known if not self._blocks[block].users)
        if self.free - unused < more:
            return None
        for block in known:
            self._hold(block)
        return [*known, *(self._fresh() for _ in range(more))]

    def fill(
        self,
        blocks: Sequence[int],
        hashes: Sequence[int],
        tokens: Sequence[int],
        *,
        parent: int | None,
        lora: str | None,
    ) -> None:
        """These blocks are full now; one whose content is known elsewhere stays as it is, unknown."""
        if not self.caching:
            return
        run: list[int] = []  # places of blocks that are new, one after the other
        for place, (block, known_as) in enumerate(zip(blocks, hashes, strict=True)):
            if known_as in self._known:
                self._tell(run, hashes, tokens, parent, lora)
                run = []
                continue
            self._blocks[block].known_as = known_as
            self._known[known_as] = block
            run.append(place)
        self._tell(run, hashes, tokens, parent, lora)

    def _tell(
        self, run: Sequence[int], hashes: Sequence[int], tokens: Sequence[int], parent: int | None, lora: str | None
    ) -> None:
        if not run:
            return
        first, last = run[0], run[-1] + 1
        self.told(
            Stored(
                hashes=tuple(hashes[first:last]),
                parent=hashes[first - 1] if first else parent,
                tokens=tuple(tokens[first * self.size : last * self.size]),
                block_size=self.size,
                lora=lora,
            )
        )

    def release(self, blocks: Iterable[int]) -> None:
        """A sequence is over: its last block is the first to be forgotten."""
        for block in reversed(list(blocks)):
            self._blocks[block].users -= 1
            if not self._blocks[block].users:
                self._freed[block] = None

    def forget(self) -> bool:
        """Forget everything that is remembered; refused while a sequence holds blocks."""
        if self.free != self.count:
            return False
        self._known.clear()
        for block in self._blocks:
            block.known_as = None
        self.told(Cleared())
        return True

    def _hold(self, block: int) -> None:
        self._freed.pop(block, None)
        self._blocks[block].users += 1

    def _fresh(self) -> int:
        if len(self._blocks) < self.count:  # a real cache of millions of tokens costs nothing before it is used
            self._blocks.append(_Block(users=1))
            return len(self._blocks) - 1
        block, _ = self._freed.popitem(last=False)
        content = self._blocks[block]
        if content.known_as is not None:
            del self._known[content.known_as]
            self.told(Removed(hashes=(content.known_as,)))
        content.known_as, content.users = None, 1
        return block


@dataclass(kw_only=True)
class Tier:
    """A larger, slower store of blocks behind the cache: CPU memory, a disk, a store that several servers share."""

    medium: str  # as KV events name it: CPU
    capacity: int  # blocks
    told: Callable[[Event], None] = lambda _: None
    _kept: OrderedDict[int, None] = field(init=False, default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._kept)

    def store(self, hashes: Sequence[int], tokens: Sequence[int], *, parent: int | None, size: int) -> int:
        """Keep blocks; the number that was new. The least recently used make room."""
        new = [known_as for known_as in hashes if known_as not in self._kept]
        for known_as in hashes:
            self._kept[known_as] = None
            self._kept.move_to_end(known_as)
        if new:
            self.told(
                Stored(hashes=tuple(new), parent=parent, tokens=tuple(tokens), block_size=size, medium=self.medium)
            )
        while len(self._kept) > self.capacity:
            oldest, _ = self._kept.popitem(last=False)
            self.told(Removed(hashes=(oldest,), medium=self.medium))
        return len(new)

    def has(self, known_as: int) -> bool:
        """Whether a block is here; it counts as used then."""
        if known_as not in self._kept:
            return False
        self._kept.move_to_end(known_as)
        return True
