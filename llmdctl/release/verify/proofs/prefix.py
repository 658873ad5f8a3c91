"""A prompt that comes again is found in a cache, because it goes where it went before."""

from __future__ import annotations

from typing import Final

from llmdctl.model.proof import Reading
from llmdctl.release.verify import commands, prompts
from llmdctl.release.verify.claim import Claim, NotConcernedError, UnknowableError, Verdict, failed, passed
from llmdctl.release.verify.counting import changes, number, risen
from llmdctl.release.verify.names import CACHED, PROMPT
from llmdctl.release.verify.observed import COLD, END, START, Observed
from llmdctl.release.verify.wording import counted

_OTHERS: Final = 1.05  # more prompt tokens than this many times our own: other people's requests are counted too
_INFO: Final = "vllm:cache_config_info"
_OFF: Final = {"vllm": "--no-enable-prefix-caching", "sglang": "--disable-radix-cache"}


def _is_on(seen: Observed) -> Verdict:
    _concerned(seen)
    off = [role for role in seen.stack.roles if role.engine.line.find(_OFF.get(role.engine.name, "--none")) is not None]
    readings, wrong, unread = [], [], []
    for pod in seen.ready():
        role = seen.role(pod)
        flag = _OFF.get(role.engine.name, "")
        if role in off or flag in pod.args:
            readings.append(Reading(where=f"{pod.place} args", after=flag, expected="not there"))
            wrong.append(pod.name)
        elif role.engine.name != "vllm":
            readings.append(Reading(where=f"{pod.place} args", after=f"no {flag}", expected=f"no {flag}"))
        else:
            try:
                said = {sample.labels.get("enable_prefix_caching") for sample in seen.scrape(START, pod.name).of(_INFO)}
            except UnknowableError as missing:
                unread.append(missing.reason)
                continue
            if not said - {None}:
                unread.append(f"{pod.name} does not say in {_INFO} whether prefix caching is on")
                continue
            after = ", ".join(sorted(str(value) for value in said))
            readings.append(Reading(where=f"{pod.place} {_INFO} enable_prefix_caching", after=after, expected="True"))
            if said != {"True"}:
                wrong.append(pod.name)
    if wrong:
        return failed(
            f"Prefix caching is off in {counted(len(wrong), 'pod')}, {wrong[0]} first, and the scheduler scores by"
            " prefix.",
            *readings,
            remedy=(
                "Take the flag that turns it off out of the values, and install again.",
                commands.kubectl(seen, f"get pod {wrong[0]} -o jsonpath='{{.spec.containers[*].args}}'"),
            ),
        )  # fmt: skip
    if unread or not readings:
        raise seen.nobody_ready() if not readings and not unread else UnknowableError(unread[0])
    return passed(f"Prefix caching is on in all {len(readings)} pods.", *readings)


def _hits_rise(seen: Observed) -> Verdict:
    _concerned(seen)
    tokens = seen.prompt_tokens(*prompts.AGAIN)
    found = changes(seen, seen.ready(), CACHED, before=COLD, after=END)
    hits = risen(found)
    moved = [each for each in found if each.by] or list(found)[:1]
    readings = tuple(each.reading("more than before") for each in moved)
    again = f"A prompt of {tokens // len(prompts.AGAIN)} tokens came {len(prompts.AGAIN)} times again"
    if hits <= 0:
        return failed(
            f"{again}, and no token of it was found in a cache.", *readings,
            remedy=(
                "Look at LV0401 (is caching on) and LV0403 (does the prompt go to the same pod).",
                commands.picker_log(seen),
            ),
        )  # fmt: skip
    return passed(f"{again}; engines found {number(hits)} tokens in their caches.", *readings)


def _together(seen: Observed) -> Verdict:
    _concerned(seen)
    pods = [pod for pod in seen.ready() if pod.role != "prefill"]
    if len(pods) < 2:
        raise NotConcernedError(f"{len(pods)} ready pod takes whole requests, so every request goes to it")
    own = seen.prompt_tokens(prompts.COLD, *prompts.AGAIN)
    found = changes(seen, pods, PROMPT, before=START, after=END)
    moved = [each for each in found if each.by > 0]
    readings = tuple(each.reading() for each in moved)
    if risen(found) > own * _OTHERS:
        raise UnknowableError("other requests were served meanwhile, so counters do not tell where these went")
    if len(moved) == 1:
        return passed(f"The same prompt went to {moved[0].pod} three times; {len(pods)} pods were ready.", *readings)
    return failed(
        f"The same prompt went to {len(moved)} pods in three requests.", *readings,
        remedy=(
            "Look at LV0201: is the prefix scorer loaded, and with which weight? At LV0203: who places requests?",
            commands.picker_log(seen),
        ),
    )  # fmt: skip


def _concerned(seen: Observed) -> None:
    if not any("prefix-cache" in plugin for plugin in seen.stack.plugins):
        raise NotConcernedError("the scheduler of this release does not score by prefix")


PROOFS: Final = (
    Claim(
        code="LV0401", slug="prefix-caching-on", title="Engines keep prefixes",
        claim="Every engine has prefix caching on, as the scheduler assumes.",
        judge=_is_on, awake=True,
        why="A scheduler that sends requests to a cache that is not there makes load uneven and nothing faster.",
        reads="The label enable_prefix_caching of vllm:cache_config_info; the command line for SGLang.",
        remedy="Take --no-enable-prefix-caching (vLLM) or --disable-radix-cache (SGLang) out.",
    ),
    Claim(
        code="LV0402", slug="prefix-hits-rise", title="A prompt that comes again is found in the cache",
        claim="The engines' counters of cached prompt tokens rise when the same prompt is sent again.",
        judge=_hits_rise, awake=True, sends=(prompts.COLD, *prompts.AGAIN),
        why="This is what the path is installed for; requests are answered as well without it, only slower.",
        reads="vllm:prefix_cache_hits_total or sglang:cached_tokens_total of every ready pod, before and after.",
        remedy="Look at LV0401, LV0403 and LV0201.",
    ),
    Claim(
        code="LV0403", slug="prefix-routed-together", title="The same prompt goes to the same pod",
        claim="Three requests with one prompt are served by one pod.",
        judge=_together, awake=True, sends=(prompts.COLD, *prompts.AGAIN),
        why="Round robin hits a cache as well, now and then: only the place shows that routing knows prefixes.",
        reads="The counter of prompt tokens of every pod that takes whole requests.",
        remedy="Look at the weight of the prefix scorer, and at LV0203.",
    ),
)  # fmt: skip
