"""Continuous batching: which sequences take part in the next step, and what the step gives.

The rules are vLLM's V1 scheduler's (https://docs.vllm.ai/en/stable/configuration/optimization.html): sequences that run
come first, each with the tokens it lacks, as far as max_num_batched_tokens goes; then those that wait, in order of
priority and arrival, up to max_num_seqs. Without room in the KV cache the latest running sequence is preempted and
computed again later. Pure: time comes in, nothing sleeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from llmdctl.sandbox.engine.blocks import BlockPool
from llmdctl.sandbox.engine.sequence import LENGTH, STOP, Sequence


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The engine's own limits, as its arguments state them."""

    max_num_seqs: int
    max_num_batched_tokens: int
    chunked: bool = True  # a prompt may be spread over several steps
    by_priority: bool = False  # --scheduling-policy priority
    max_loras: int = 0  # adapters in one batch; 0: any number


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What the next step computes: (sequence, number of its tokens)."""

    parts: tuple[tuple[Sequence, int], ...]
    preempted: int = 0

    @property
    def tokens(self) -> int:
        """All tokens of the step."""
        return sum(number for _, number in self.parts)

    @property
    def prefill_tokens(self) -> int:
        """Those of prompts."""
        return self.tokens - self.decoding

    @property
    def decoding(self) -> int:
        """Sequences that only add a token."""
        return sum(1 for sequence, number in self.parts if number == 1 and sequence.generated)


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A token of one sequence's answer; `finished` is the reason when it is the last."""

    sequence: Sequence
    token: int
    finished: str | None


External = Callable[[Sequence, int], int]
"""(sequence, tokens known here) -> further tokens whose KV comes from elsewhere, in whole blocks."""


@dataclass(kw_only=True)
class Batch:
    """The sequences of one engine."""

    pool: BlockPool
    limits: Limits
    external: External = lambda _sequence, _known: 0
    admitted: Callable[[Sequence], None] = lambda _: None
    waiting: list[Sequence] = field(default_factory=list)
    running: list[Sequence] = field(default_factory=list)

    def add(self, sequence: Sequence) -> None:
        """One more that waits."""
        self.waiting.append(sequence)

    def next_step(self, now_s: float) -> Step:
        """Choose and reserve; an empty step when nothing can go on."""
        budget, parts, preempted = self.limits.max_num_batched_tokens, [], 0
        position = 0
        while position < len(self.running) and budget > 0:
            sequence = self.running[position]
            number = min(sequence.missing, budget)
            while not self._room(sequence, sequence.computed + number):
                victim = self.running.pop()
                self._preempt(victim)
                preempted += 1
                if victim is sequence:
                    break
            else:
                parts.append((sequence, number))
                budget -= number
                position += 1
        if not preempted:
            parts += self._admitted(budget, now_s)
        return Step(parts=tuple(parts), preempted=preempted)

    def finish_step(self, step: Step, now_s: float) -> Iterator[Token]:
        """The tokens that a step gives, once its time is over. A sequence that was aborted meanwhile gives none."""
        for sequence, number in step.parts:
            if sequence.finished or sequence not in self.running:
                continue
            sequence.computed += number
            self._fill(sequence)
            if sequence.missing:
                continue  # the rest of the prompt comes in a later step
            token = next(sequence.asked.answer)
            sequence.append(token)
            sequence.first_token_s = sequence.first_token_s or now_s
            sequence.last_token_s = now_s
            sequence.finished = self._over(sequence)
            if sequence.finished:
                self._leave(sequence)
            yield Token(sequence=sequence, token=token, finished=sequence.finished)

    def abort(self, sequence: Sequence, reason: str) -> None:
        """Take a sequence out, wherever it is."""
        if sequence.finished:
            return
        sequence.finished = reason
        if sequence in self.waiting:
            self.waiting.remove(sequence)
        elif sequence in self.running:
            self._leave(sequence)

    def _admitted(self, budget: int, now_s: float) -> Iterator[tuple[Sequence, int]]:
        while budget > 0 and len(self.running) < self.limits.max_num_seqs:
            sequence = min(filter(self._adapter_fits, self.waiting), key=self._rank, default=None)
            if sequence is None:
                return
            usable = len(sequence.tokens) - 1  # the last token is computed in any case
            known = self.pool.matched(sequence.hashes[: usable // self.pool.size])
            here = len(known) * self.pool.size
            elsewhere = min(self.external(sequence, here), len(sequence.tokens) - here)
            number = max(1, len(sequence.tokens) - here - elsewhere)
            if number > budget:
                if not self.limits.chunked:
                    return
                number = budget
            ready = min(here + elsewhere, usable)  # where all came from elsewhere the last token is computed again
            held = self.pool.take(known, self._blocks_for(ready + number) - len(known))
            if held is None:
                return
            self.waiting.remove(sequence)
            self.running.append(sequence)
            sequence.blocks, sequence.computed = held, ready
            sequence.filled = len(known)
            self._start(sequence, here, elsewhere, now_s)
            budget -= number
            yield sequence, number

    def _start(self, sequence: Sequence, here: int, elsewhere: int, now_s: float) -> None:
        if sequence.started_s is None:
            sequence.started_s, sequence.cached, sequence.fetched = now_s, here, elsewhere
            sequence.first_computed = sequence.prompt_length - here - elsewhere
            self.admitted(sequence)
        self._fill(sequence)

    def _adapter_fits(self, sequence: Sequence) -> bool:
        adapters = {each.asked.lora for each in self.running if each.asked.lora}
        lora = sequence.asked.lora
        return not lora or not self.limits.max_loras or lora in adapters or len(adapters) < self.limits.max_loras

    def _rank(self, sequence: Sequence) -> tuple[int, int, float]:
        again = 0 if sequence.preemptions else 1
        return (sequence.asked.priority if self.limits.by_priority else 0, again, sequence.arrived_s)

    def _room(self, sequence: Sequence, tokens: int) -> bool:
        lacking = self._blocks_for(tokens) - len(sequence.blocks)
        if lacking <= 0:
            return True
        more = self.pool.take((), lacking)
        if more is None:
            return False
        sequence.blocks += more
        return True

    def _blocks_for(self, tokens: int) -> int:
        return -(-tokens // self.pool.size)

    def _fill(self, sequence: Sequence) -> None:
        full = min(sequence.computed // self.pool.size, len(sequence.hashes))
        if full <= sequence.filled:
            return
        first, size = sequence.filled, self.pool.size
        self.pool.fill(
            sequence.blocks[first:full],
            sequence.hashes[first:full],
            sequence.tokens[first * size : full * size],
            parent=sequence.hashes[first - 1] if first else None,
            lora=sequence.asked.lora,
        )
        sequence.filled = full

    def _preempt(self, victim: Sequence) -> None:
        self.pool.release(victim.blocks)
        victim.preempt()
        self.waiting.append(victim)

    def _over(self, sequence: Sequence) -> str | None:
        if sequence.generated >= sequence.asked.max_tokens:
            return LENGTH
        return STOP if sequence.generated >= sequence.asked.natural_length else None

    def _leave(self, sequence: Sequence) -> None:
        self.running.remove(sequence)
        if not sequence.asked.keep_for_s or sequence.finished not in (LENGTH, STOP):
            self.release(sequence)

    def release(self, sequence: Sequence) -> None:
        """Give the blocks of a finished sequence back; a second time does nothing."""
        blocks, sequence.blocks = sequence.blocks, []
        self.pool.release(blocks)
