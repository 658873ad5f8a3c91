"""Prefill runs on prefill pods, and the KV cache moves to the decode pods."""

from __future__ import annotations

from typing import Final

from llmdctl.release.verify import commands, prompts
from llmdctl.release.verify.claim import Claim, NotConcernedError, UnknowableError, Verdict, failed, passed
from llmdctl.release.verify.counting import Change, changes, number, risen
from llmdctl.release.verify.lengths import max_model_len
from llmdctl.release.verify.names import FETCHED, KV_BYTES, KV_FAILED, PROMPT
from llmdctl.release.verify.observed import COLD, START, EnginePod, Observed

_PART: Final = 0.5  # of the prompt: one whole block and more may stay where it is
_REMEDY: Final = "Look at LV0201: which decider is loaded, and with which threshold?"


def _remote(seen: Observed) -> Verdict:
    _concerned(seen)
    tokens = seen.prompt_tokens(prompts.COLD)
    found = changes(seen, _ready(seen, "prefill"), PROMPT, before=START, after=COLD)
    rise = risen(found)
    readings = tuple(each.reading("more than before") for each in _moved(found))
    if rise >= tokens * _PART:
        return passed(f"Of a prompt of {tokens} tokens, prefill pods processed {number(rise)}.", *readings)
    threshold = seen.stack.decider_threshold
    if threshold is not None and tokens <= threshold:
        longest = max_model_len(seen.models)
        if longest is not None and threshold >= longest:
            said = f"The decider wants prompts of more than {threshold} tokens, and the model takes {longest}."
            return failed(f"{said} Prefill is never split.", *readings, remedy=_remedy(seen))
        raise UnknowableError(f"a prompt of {tokens} tokens is below the decider's threshold of {threshold}")
    said = f"A prompt of {tokens} tokens that nobody had seen was not processed on a prefill pod."
    return failed(said, *readings, remedy=_remedy(seen))


def _moves(seen: Observed) -> Verdict:
    _concerned(seen)
    tokens = seen.prompt_tokens(prompts.COLD)
    pods = _ready(seen, "decode")
    lost = _optional(seen, KV_FAILED)
    if lost and risen(lost) > 0:
        readings = tuple(each.reading("0") for each in _moved(lost))
        return failed(f"{number(risen(lost))} transfers of KV blocks failed.", *readings, remedy=_remedy(seen))
    try:
        found, unit = changes(seen, pods, FETCHED, before=START, after=COLD), "prompt tokens came from another pod"
    except UnknowableError:
        found, unit = changes(seen, pods, KV_BYTES, before=START, after=COLD), "units of KV cache were moved"
    moved = risen(found)
    readings = tuple(each.reading("more than before") for each in _moved(found))
    if moved <= 0:
        said = f"Decode pods fetched no KV cache for a prompt of {tokens} tokens: they computed it themselves."
        return failed(said, *readings, remedy=_remedy(seen))
    carried = _optional(seen, KV_BYTES)
    readings += tuple(each.reading() for each in _moved(carried) if each.by > 0)
    return passed(f"On decode pods, {number(moved)} {unit} (the prompt has {tokens} tokens).", *readings)


def _optional(seen: Observed, counted: str) -> tuple[Change, ...]:
    try:
        return changes(seen, _ready(seen, "decode"), counted, before=START, after=COLD)
    except UnknowableError:
        return ()


def _moved(found: tuple[Change, ...]) -> list[Change]:
    return [each for each in found if each.by] or list(found)[:1]


def _ready(seen: Observed, role: str) -> tuple[EnginePod, ...]:
    pods = tuple(pod for pod in seen.of_role(role) if pod.ready)
    if not pods:
        raise UnknowableError(f"no {role} pod is ready")
    return pods


def _concerned(seen: Observed) -> None:
    if not seen.stack.disaggregated:
        raise NotConcernedError("the release does not separate prefill and decode")


def _remedy(seen: Observed) -> tuple[str, ...]:
    return (_REMEDY, commands.sidecar_log(seen, "decode"))


PROOFS: Final = (
    Claim(
        code="LV0501", slug="prefill-remote", title="Prefill runs on prefill pods",
        claim="A long prompt that nobody has seen is processed on a prefill pod.",
        judge=_remote, awake=True, sends=(prompts.COLD,),
        why="Without a decider, with a threshold that no prompt reaches, or with a sidecar that falls back, decode pods"
        " do everything themselves: answers are right, prefill pods idle.",
        reads="The counter of prompt tokens of the prefill pods, before and after one long prompt.",
        remedy="Look at the decider of the scheduler, and at the log of the routing sidecar.",
    ),
    Claim(
        code="LV0502", slug="kv-moves", title="The KV cache moves to the decode pod",
        claim="The decode pod takes the KV cache of that prompt from the prefill pod, and no transfer fails.",
        judge=_moves, awake=True, sends=(prompts.COLD,),
        why="A decode pod that cannot fetch the blocks computes them again: every prompt is then processed twice.",
        reads="vllm:prompt_tokens_by_source_total{source=external_kv_transfer}, vllm:nixl_bytes_transferred and"
        " vllm:nixl_num_failed_transfers of the decode pods; sglang:kv_transfer_total_mb.",
        remedy="Look at the engines' logs for NIXL, at the side channel's port and at network policies between pods.",
    ),
)  # fmt: skip
