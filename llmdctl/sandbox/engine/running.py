"""The engine as it runs: requests come in, steps take their time, tokens go out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from llmdctl.sandbox.engine.batching import Batch, Limits, Step, Token
from llmdctl.sandbox.engine.blocks import BlockPool, Event, Stored, Tier
from llmdctl.sandbox.engine.curve import Curve
from llmdctl.sandbox.engine.faults import Faults
from llmdctl.sandbox.engine.metrics import Gauges, Recorder
from llmdctl.sandbox.engine.sequence import ABORT, LENGTH, STOP, Asked, Sequence
from llmdctl.sandbox.engine.shared import Shared

_LOG: Final = logging.getLogger("uvicorn.error")  # the one that the server prints


class RefusedError(Exception):
    """The engine takes no request now: it drains, sleeps, or its queue is full."""


@dataclass(kw_only=True)
class Engine:
    """One rank."""

    pool: BlockPool
    limits: Limits
    curve: Curve
    recorder: Recorder
    tier: Tier | None = None  # the host's memory
    shared: Shared | None = None  # a store that other servers read too
    shared_source: str = "external_unspecified"  # how its blocks are counted
    shared_prefix: str = ""  # of the names of its blocks: what must agree
    chunk: int = 1  # blocks that tiers keep and find together
    connected: bool = False  # whether any connector looks elsewhere for blocks
    seed: str = ""  # of the blocks' hashes
    publish: Callable[[list[Event]], None] = lambda _: None  # the KV events of a step
    clock: Callable[[], float] = time.monotonic
    faults: Faults = field(default_factory=Faults)
    asleep: int = 0
    draining: bool = False
    revision: int = 0  # goes up with all that /metrics shows
    _batch: Batch = field(init=False)
    _queues: dict[Sequence, asyncio.Queue[Token]] = field(init=False, default_factory=dict)
    _events: list[Event] = field(init=False, default_factory=list)
    _work: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _outgoing: list[str] = field(init=False, default_factory=list)  # names of blocks on their way to the shared store
    _kept: dict[str, tuple[Sequence, float]] = field(init=False, default_factory=dict)  # for other servers, until when

    def __post_init__(self) -> None:
        self.pool.told = self._told
        if self.tier is not None:
            self.tier.told = self._events.append
        self._batch = Batch(pool=self.pool, limits=self.limits, external=self._external, admitted=self._admitted)

    @property
    def load(self) -> int:
        """How busy it is, as vLLM's own balancer of ranks weighs it: who waits counts four times."""
        return 4 * len(self._batch.waiting) + len(self._batch.running)

    @property
    def refusal(self) -> str:
        """Why it takes no request now; empty where it does."""
        return "the engine is shutting down" if self.draining else "the engine is sleeping" if self.asleep else ""

    async def run(self) -> None:
        """Step after step, until cancelled."""
        while True:
            self._expire()
            step = None if self.asleep else self._batch.next_step(self.clock())
            if step is None or not step.parts:
                self._look()
                self._work.clear()
                await self._idle()
                continue
            self._look()
            await asyncio.sleep(self._duration_s(step))
            await self.faults.pause()
            self._deliver(step)
            await self._hand_over()

    async def answer(self, asked: Asked, *, offered: int = 0) -> AsyncIterator[Token]:
        """The tokens of one request. Another server has given `offered` tokens of its prompt."""
        if self.refusal:
            raise RefusedError(self.refusal)
        sequence = Sequence(asked=asked, arrived_s=self.clock(), block_size=self.pool.size, seed=self.seed)
        sequence.offered = offered
        if self.shared is not None and not offered:
            sequence.shared = await self._look_elsewhere(sequence, self.shared)
        queue: asyncio.Queue[Token] = asyncio.Queue()
        self._queues[sequence] = queue
        self._batch.add(sequence)
        self._work.set()
        try:
            while True:
                token = await queue.get()
                yield token
                if token.finished:
                    return
        finally:
            self._end(sequence)

    def sleep(self, level: int) -> None:
        """Serve nothing: 1 keeps the weights elsewhere, 2 discards everything."""
        self.asleep = level
        self._look()

    def wake(self) -> None:
        """Serve again; what was in the cache is gone when everything was discarded."""
        if self.asleep > 1:
            self.forget()
        self.asleep = 0
        self._look()
        self._work.set()

    def take_kept(self, request: str) -> Sequence | None:
        """The blocks that a prefill holds for another server; they are given back with `give_back`."""
        found = self._kept.pop(request, None)
        return found[0] if found else None

    def give_back(self, sequence: Sequence) -> None:
        """Another server has fetched these blocks."""
        self._batch.release(sequence)
        self._work.set()

    def forget(self) -> bool:
        """Empty the prefix cache; refused while a request holds blocks."""
        done = self.pool.forget()
        self._flush()
        return done

    def _end(self, sequence: Sequence) -> None:
        """The client has all, or is gone."""
        self._queues.pop(sequence, None)
        if sequence.finished is None:
            self._batch.abort(sequence, ABORT)
            self.recorder.finished(sequence, self.clock())
            self._work.set()

    def _deliver(self, step: Step) -> None:
        now_s = self.clock()
        self.recorder.stepped(step.tokens, step.preempted)
        befores = {sequence: sequence.last_token_s for sequence, _ in step.parts}
        for token in self._batch.finish_step(step, now_s):
            before = befores[token.sequence]
            if before is None:
                self.recorder.first_token(token.sequence, now_s - token.sequence.arrived_s)
            else:
                self.recorder.next_token(now_s - before)
            if token.finished:
                self._finished(token.sequence, now_s)
            queue = self._queues.get(token.sequence)
            if queue is not None:
                queue.put_nowait(token)
        self._flush()
        self._look()

    def _flush(self) -> None:
        events, self._events[:] = list(self._events), []
        if not self.faults.no_events:
            self.publish(events)

    def _finished(self, sequence: Sequence, now_s: float) -> None:
        self.recorder.finished(sequence, now_s)
        if sequence.asked.keep_for_s and sequence.finished in (LENGTH, STOP):
            if self.faults.lost_kv:
                self._batch.release(sequence)
            else:
                self._kept[sequence.asked.id] = (sequence, now_s + sequence.asked.keep_for_s)

    def _expire(self) -> None:
        now_s = self.clock()
        for request, (sequence, until_s) in list(self._kept.items()):
            if until_s <= now_s:
                del self._kept[request]
                self._batch.release(sequence)
                self.recorder.expired()
                self.revision += 1

    async def _idle(self) -> None:
        soonest = min((until_s for _, until_s in self._kept.values()), default=None)
        left_s = None if soonest is None else max(soonest - self.clock(), 0.01)
        try:
            await asyncio.wait_for(self._work.wait(), left_s)
        except TimeoutError:
            return

    def _duration_s(self, step: Step) -> float:
        fetched = sum(sequence.fetched for sequence, _ in step.parts if sequence.generated == 0)
        seconds = self.curve.seconds(prefill_tokens=step.prefill_tokens, decoding=step.decoding)
        return (seconds + fetched * self.curve.load_s_per_token) * self.faults.slow

    async def _look_elsewhere(self, sequence: Sequence, shared: Shared) -> frozenset[int]:
        """The blocks of a prompt that the shared store has, beyond those that are here."""
        ends = range(self.chunk - 1, (len(sequence.tokens) - 1) // self.pool.size, self.chunk)
        here = len(self.pool.matched(sequence.hashes))
        wanted = [sequence.hashes[at] for at in ends if at >= here]
        while wanted and self.tier is not None and self.tier.has(wanted[0]):
            wanted.pop(0)
        if not wanted:
            return frozenset()
        try:
            number = await shared.found([self._name(known_as) for known_as in wanted])
        except OSError as cause:
            _LOG.warning("the shared store did not answer, blocks are computed: %s", cause)
            return frozenset()
        tokens = number * self.chunk * self.pool.size
        self.recorder.shared(asked=len(wanted), found=number, tokens=tokens)
        return frozenset(wanted[:number])

    async def _hand_over(self) -> None:
        """Write the blocks of a step to the shared store."""
        names, self._outgoing = self._outgoing, []
        if self.shared is None or not names:
            return
        try:
            self.recorder.written(await self.shared.keep(names) * self.pool.size)
            self.revision += 1
        except OSError as cause:
            _LOG.warning("the shared store took no blocks: %s", cause)

    def _name(self, known_as: int) -> str:
        return f"{self.shared_prefix}@{known_as:016x}"

    def _external(self, sequence: Sequence, here: int) -> int:
        if sequence.offered:
            return max(sequence.offered - here, 0)
        sequence.from_tier = sequence.from_shared = 0
        if sequence.preemptions:
            return 0
        size, at = self.pool.size, here // self.pool.size
        usable = (len(sequence.tokens) - 1) // size
        while (end := (at // self.chunk + 1) * self.chunk) <= usable:
            last = sequence.hashes[end - 1]
            if self.tier is not None and self.tier.has(last):
                sequence.from_tier += (end - at) * size
            elif last in sequence.shared:
                sequence.from_shared += (end - at) * size
            else:
                break
            at = end
        return sequence.from_tier + sequence.from_shared

    def _admitted(self, sequence: Sequence) -> None:
        sources: Mapping[str, int] = {"host": sequence.from_tier, self.shared_source: sequence.from_shared}
        if sequence.offered:
            sources = {"p2p": sequence.fetched}
        self.recorder.admitted(sequence, sources=sources, asked=self.connected)
        if self.tier is not None or self.shared is not None:
            tokens = sequence.from_tier + sequence.from_shared
            self.recorder.looked_up(sequence.prompt_length, sequence.cached)
            self.recorder.loaded(tokens, tokens * self.curve.load_s_per_token)

    def _told(self, event: Event) -> None:
        self._events.append(event)
        if not isinstance(event, Stored):
            return
        if self.tier is not None:
            new = self.tier.store(event.hashes, event.tokens, parent=event.parent, size=event.block_size)
            self.recorder.offloaded(new * event.block_size)
        if self.shared is not None:
            self._outgoing += map(self._name, event.hashes)

    def _look(self) -> None:
        self.revision += 1
        if self.faults.stale_metrics:
            return
        self.recorder.look(
            Gauges(
                running=len(self._batch.running),
                waiting=len(self._batch.waiting),
                usage=self.pool.usage,
                lora_running=_adapters(self._batch.running),
                lora_waiting=_adapters(self._batch.waiting),
                asleep=self.asleep,
            )
        )


def _adapters(sequences: list[Sequence]) -> tuple[str, ...]:
    return tuple(sorted({sequence.asked.lora for sequence in sequences if sequence.asked.lora}))
