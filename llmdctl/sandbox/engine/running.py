"""The engine as it runs: requests come in, steps take their time, tokens go out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from llmdctl.sandbox.engine.batching import Batch, Limits, Step, Token
from llmdctl.sandbox.engine.blocks import BlockPool, Event, Stored, Tier
from llmdctl.sandbox.engine.curve import Curve
from llmdctl.sandbox.engine.faults import Faults
from llmdctl.sandbox.engine.metrics import Gauges, Recorder
from llmdctl.sandbox.engine.sequence import ABORT, ERROR, LENGTH, STOP, Asked, Sequence


class RefusedError(Exception):
    """The engine takes no request now: it drains, sleeps, or its queue is full."""


@dataclass(kw_only=True)
class Engine:
    """One rank."""

    pool: BlockPool
    limits: Limits
    curve: Curve
    recorder: Recorder
    tier: Tier | None = None
    publish: Callable[[list[Event]], None] = lambda _: None  # the KV events of a step
    clock: Callable[[], float] = time.monotonic
    faults: Faults = field(default_factory=Faults)
    asleep: int = 0
    draining: bool = False
    _batch: Batch = field(init=False)
    _queues: dict[Sequence, asyncio.Queue[Token]] = field(init=False, default_factory=dict)
    _events: list[Event] = field(init=False, default_factory=list)
    _work: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _fetched_from: dict[str, str] = field(init=False, default_factory=dict)  # request -> tier it is fetched from
    _kept: dict[str, tuple[Sequence, float]] = field(init=False, default_factory=dict)  # for other servers, until when

    def __post_init__(self) -> None:
        self.pool.told = self._told
        if self.tier is not None:
            self.tier.told = self._events.append
        self._batch = Batch(pool=self.pool, limits=self.limits, external=self._external, admitted=self._admitted)

    @property
    def busy(self) -> bool:
        """Whether any request is on its way."""
        return bool(self._batch.waiting or self._batch.running)

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

    async def answer(self, asked: Asked, *, offered: int = 0, source: str = "") -> AsyncIterator[Token]:
        """The tokens of one request. `offered` prompt tokens are at hand from `source`: p2p, disk."""
        if self.draining or self.asleep:
            raise RefusedError("the engine is shutting down" if self.draining else "the engine is sleeping")
        sequence = Sequence(asked=asked, arrived_s=self.clock(), block_size=self.pool.size)
        sequence.offered = offered
        if source:
            self._fetched_from[asked.id] = source
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
        self._fetched_from.pop(sequence.asked.id, None)
        if sequence.finished is None:
            self._batch.abort(sequence, ABORT)
            self.recorder.finished(sequence, self.clock())
            self._work.set()

    def fail(self, sequence_id: str) -> None:
        """End a request with an error."""
        for sequence in (*self._batch.waiting, *self._batch.running):
            if sequence.asked.id == sequence_id:
                self._batch.abort(sequence, ERROR)
                self.recorder.finished(sequence, self.clock())

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

    def _external(self, sequence: Sequence, here: int) -> int:
        if sequence.offered:
            return max(sequence.offered - here, 0)
        if self.tier is None or sequence.preemptions:
            return 0
        size = self.pool.size
        usable = (len(sequence.tokens) - 1) // size
        return self.tier.matched(sequence.hashes[here // size : usable]) * size

    def _admitted(self, sequence: Sequence) -> None:
        tier = self._fetched_from.get(sequence.asked.id, self.tier.medium.lower() if self.tier else "")
        names = {"cpu": "host", "fs": "disk", "p2p": "p2p"}
        self.recorder.admitted(sequence, tier=names.get(tier, "external_unspecified") if tier else "")

    def _told(self, event: Event) -> None:
        self._events.append(event)
        if self.tier is not None and isinstance(event, Stored):
            self.tier.store(event.hashes, event.tokens, parent=event.parent, size=event.block_size)

    def _look(self) -> None:
        if self.faults.stale_metrics:
            return
        self.recorder.look(
            Gauges(
                running=len(self._batch.running),
                waiting=len(self._batch.waiting),
                usage=self.pool.usage,
                asleep=self.asleep,
            )
        )
