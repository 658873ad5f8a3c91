"""The batch and the blocks, step by step."""

from __future__ import annotations

from llmdctl.sandbox.engine import tokens
from llmdctl.sandbox.engine.batching import Batch, Limits
from llmdctl.sandbox.engine.blocks import BlockPool, Event, Removed, Stored, Tier, hash_blocks
from llmdctl.sandbox.engine.curve import Curve
from llmdctl.sandbox.engine.sequence import Asked, Sequence


def sequence(
    name: str, prompt: list[int], number: int = 4, *, size: int = 4, at: float = 0, priority: int = 0
) -> Sequence:
    asked = Asked(
        id=name, prompt=tuple(prompt), max_tokens=number, answer=tokens.answer(prompt), natural_length=10**9,
        priority=priority,
    )  # fmt: skip
    return Sequence(asked=asked, arrived_s=at, block_size=size)


def batch(blocks: int, *, seqs: int = 8, budget: int = 64, chunked: bool = True, by_priority: bool = False) -> Batch:
    limits = Limits(max_num_seqs=seqs, max_num_batched_tokens=budget, chunked=chunked, by_priority=by_priority)
    return Batch(pool=BlockPool(count=blocks, size=4), limits=limits)


def run(each: Batch, steps: int = 1000) -> list[list[str]]:
    """Who took part in each step, until nobody does."""
    seen = []
    for now in range(steps):
        step = each.next_step(float(now))
        if not step.parts:
            return seen
        seen.append([part.asked.id for part, _ in step.parts])
        list(each.finish_step(step, float(now + 1)))
    raise AssertionError("no end")


def test_a_long_prompt_is_cut_to_the_budget_and_others_go_on() -> None:
    each = batch(100, budget=8)
    each.add(sequence("short", [1, 2, 3], 3))
    each.add(sequence("long", list(range(20)), 1, at=1))
    first = each.next_step(0)
    assert [(part.asked.id, number) for part, number in first.parts] == [("short", 3), ("long", 5)]
    list(each.finish_step(first, 1))
    second = each.next_step(1)
    assert [(part.asked.id, number) for part, number in second.parts] == [("short", 1), ("long", 7)]


def test_without_chunks_a_prompt_waits_for_its_whole_budget() -> None:
    each = batch(100, budget=24, chunked=False)
    each.add(sequence("first", list(range(20)), 2))
    each.add(sequence("second", list(range(50, 70)), 1, at=1))
    assert run(each) == [["first"], ["first", "second"]]


def test_no_more_run_than_max_num_seqs() -> None:
    each = batch(100, seqs=2)
    for at in range(4):
        each.add(sequence(str(at), [at, at, at], 2, at=at))
    assert run(each) == [["0", "1"], ["0", "1"], ["2", "3"], ["2", "3"]]


def test_priority_comes_before_arrival_only_where_it_is_on() -> None:
    for by_priority, first in ((True, "urgent"), (False, "early")):
        each = batch(100, seqs=1, by_priority=by_priority)
        each.add(sequence("early", [1], 1, priority=5))
        each.add(sequence("urgent", [2], 1, at=1, priority=-1))
        assert run(each)[0] == [first]


def test_without_room_the_latest_is_put_back_and_says_the_same_in_the_end() -> None:
    prompts = {name: list(range(start, start + 8)) for name, start in (("a", 0), ("b", 100))}
    alone = {name: sequence(name, prompt, 12) for name, prompt in prompts.items()}
    for each in alone.values():
        single = batch(100)
        single.add(each)
        run(single)
    each = batch(8)  # both need 5 blocks in the end
    together = [sequence(name, prompt, 12, at=at) for at, (name, prompt) in enumerate(prompts.items())]
    for one in together:
        each.add(one)
    run(each)
    assert together[1].preemptions == 1
    assert [one.tokens for one in together] == [alone[one.asked.id].tokens for one in together]
    assert each.pool.free == 8


def test_what_is_known_is_not_computed_again_but_the_last_token_is() -> None:
    each = batch(100)
    prompt = list(range(8))
    for at in range(2):
        each.add(sequence(str(at), prompt, 1, at=at))
        run(each)
    again = sequence("again", prompt, 1)
    each.add(again)
    step = each.next_step(0)
    assert again.cached == 4  # two full blocks are known, and one token at least is computed: one block counts
    assert step.tokens == 4


def test_the_end_of_a_sequence_is_forgotten_before_its_beginning() -> None:
    told: list[Event] = []
    pool = BlockPool(count=4, size=2, told=told.append)
    hashes = hash_blocks([1, 2, 3, 4, 5, 6], 2)
    held = pool.take((), 3)
    assert held is not None
    pool.fill(held, hashes, [1, 2, 3, 4, 5, 6], parent=None, lora=None)
    pool.release(held)
    assert pool.take((), 2) is not None
    assert [event for event in told if isinstance(event, Removed)] == [Removed(hashes=(hashes[2],))]
    assert pool.matched(hashes) == held[:2]


def test_an_adapter_and_a_salt_keep_prefixes_apart() -> None:
    plain = hash_blocks([1, 2], 2)
    assert plain == hash_blocks([1, 2], 2)
    assert len({plain[0], hash_blocks([1, 2], 2, extra="lora")[0], hash_blocks([1, 2], 2, seed="7")[0]}) == 3


def test_a_tier_keeps_the_most_recently_used() -> None:
    told: list[Event] = []
    tier = Tier(medium="CPU", capacity=2, told=told.append)
    tier.store([1, 2], [0, 0, 0, 0], parent=None, size=2)
    assert tier.has(1)
    tier.store([3], [0, 0], parent=2, size=2)
    assert [tier.has(known_as) for known_as in (1, 2, 3)] == [True, False, True]
    assert [type(event) for event in told] == [Stored, Stored, Removed]


def test_a_curve_goes_on_along_its_slope() -> None:
    curve = Curve(step_s=1, prefill=((0, 0), (10, 1)), decode=((0, 0), (1, 2), (3, 3)))
    assert curve.seconds(prefill_tokens=20, decoding=0) == 3
    assert curve.seconds(prefill_tokens=5, decoding=2) == 1 + 0.5 + 2.5


def test_text_is_cut_and_joined_without_loss() -> None:
    text = "Hello, wörld_1!\n  two  spaces"
    assert "".join(tokens.pieces(text)) == text
    assert len(tokens.encode(text)) == len(tokens.pieces(text))
