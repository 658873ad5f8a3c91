"""What engines say of themselves is what was computed and rendered for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from llmdctl.model.proof import Reading
from llmdctl.release.verify.claim import Claim, NotConcernedError, UnknowableError, Verdict, failed, passed
from llmdctl.release.verify.lengths import max_model_len
from llmdctl.release.verify.observed import START, EnginePod, Observed

_INFO: Final = "vllm:cache_config_info"
_SGLANG: Final = {"block_size": "sglang:page_size", "num_gpu_blocks": "sglang:num_pages"}
_BLOCK: Final = ("--block-size", "--page-size")
_LENGTH: Final = ("--max-model-len", "--context-length")


def _block_size(seen: Observed) -> Verdict:
    wanted = {role.name: role.engine.line.integer(*_BLOCK) for role in seen.stack.roles}
    if not any(wanted.values()):
        raise NotConcernedError("no block size is rendered: each engine chooses its own")
    return _compare(seen, "block size", wanted, lambda pod: _cache(seen, pod, "block_size"), "tokens a block")


def _length(seen: Observed) -> Verdict:
    wanted = {role.name: role.engine.line.integer(*_LENGTH) for role in seen.stack.roles}
    if not any(wanted.values()):
        raise NotConcernedError("no model length is rendered: the engine takes the model's own")

    def read(pod: EnginePod) -> int:
        document = seen.models.get(pod.name)
        if not isinstance(document, dict):
            raise UnknowableError(f"/v1/models of {pod.name} cannot be read: {document or 'it was not asked'}")
        length = max_model_len({pod.name: document})
        if length is None:
            raise UnknowableError(f"/v1/models of {pod.name} does not say the model's length")
        return length

    return _compare(seen, "model length", wanted, read, "tokens")


def _compare(
    seen: Observed, what: str, wanted: dict[str, int | None], read: Callable[[EnginePod], int], unit: str
) -> Verdict:
    readings, wrong, unread = [], [], []
    for pod in _ready(seen):
        expected = wanted.get(pod.role)
        if expected is None:
            continue
        try:
            found = read(pod)
        except UnknowableError as missing:
            unread.append(missing.reason)
            continue
        readings.append(Reading(where=f"{pod.place} {what}", after=str(found), expected=str(expected)))
        if found != expected:
            wrong.append(f"{pod.name} has a {what} of {found} instead of {expected} {unit}")
    if wrong:
        return failed(f"{wrong[0]}.", *readings)
    if unread or not readings:
        raise UnknowableError(unread[0] if unread else "no pod of these roles is ready")
    return passed(f"The {what} of {len(readings)} pods is as rendered.", *readings)


def _capacity(seen: Observed) -> Verdict:
    readings, wrong, unread = [], [], []
    for pod in _ready(seen):
        try:
            blocks, size = _cache(seen, pod, "num_gpu_blocks"), _cache(seen, pod, "block_size")
        except UnknowableError as missing:
            unread.append(missing.reason)
            continue
        document = seen.models.get(pod.name)
        longest = max_model_len({pod.name: document}) if isinstance(document, dict) else None
        tokens = blocks * size
        expected = f"at least {longest}" if longest else "more than 0"
        readings.append(Reading(where=f"{pod.place} KV cache", after=f"{tokens} tokens", expected=expected))
        if tokens <= 0 or (longest is not None and tokens < longest):
            wrong.append(f"{pod.name} has a KV cache of {tokens} tokens, and a request may have {longest or 1}")
    if wrong:
        return failed(f"{wrong[0]}.", *readings)
    if unread or not readings:
        raise UnknowableError(unread[0] if unread else "no pod is ready")
    return passed(f"The KV cache of {len(readings)} pods holds at least one request of full length.", *readings)


def _arguments(seen: Observed) -> Verdict:
    readings, wrong = [], []
    for pod in _ready(seen):
        rendered = tuple(str(word) for word in seen.role(pod).engine.container.value.get("args") or ())
        same = pod.args == rendered
        after = "as rendered" if same else _first_difference(rendered, pod.args)
        readings.append(Reading(where=f"{pod.place} args", after=after, expected="as rendered"))
        if not same:
            wrong.append(f"{pod.name} runs with other arguments than rendered: {after}")
    if wrong:
        return failed(
            f"{wrong[0]}.", *readings,
            remedy=("A rollout has not ended, or somebody edited the workload: look at `llmdctl diff`.",),
        )  # fmt: skip
    return passed(f"{len(readings)} pods run with the arguments as rendered.", *readings)


def _first_difference(rendered: Iterable[str], found: Iterable[str]) -> str:
    """Names of options alone: values may be secret."""
    wanted, there = list(rendered), list(found)
    missing = [word.partition("=")[0] for word in wanted if word not in there]
    added = [word.partition("=")[0] for word in there if word not in wanted]
    return " ".join(dict.fromkeys([*missing, *added])) or "another order"


def _cache(seen: Observed, pod: EnginePod, key: str) -> int:
    scrape = seen.scrape(START, pod.name)
    engine = seen.role(pod).engine.name
    if engine == "sglang":
        total = scrape.total(_SGLANG[key])
        found = None if total is None else str(int(total))
    else:
        found = next((sample.labels.get(key) for sample in scrape.of(_INFO)), None)
    if found is None or not found.isdigit():
        raise UnknowableError(f"{pod.name} does not say its {key}")
    return int(found)


def _ready(seen: Observed) -> tuple[EnginePod, ...]:
    pods = seen.ready()
    if not pods:
        raise UnknowableError("no pod of an engine is ready")
    return pods


PROOFS: Final = (
    Claim(
        code="LV1201", slug="block-size", title="Engines have the block size as rendered",
        claim="The block size that an engine runs with is the one the scheduler reckons with.",
        judge=_block_size,
        why="An engine may change it (vLLM does for some attention kernels); prefixes then match at other borders.",
        reads="vllm:cache_config_info block_size, sglang:page_size.",
        remedy="Set the block size that the engine accepts; both sides get it from one value.",
    ),
    Claim(
        code="LV1202", slug="model-length", title="Engines have the model length as rendered",
        claim="The longest request that an engine takes is the one that was computed.",
        judge=_length,
        why="An engine that cuts it for want of memory refuses prompts that were promised.",
        reads="max_model_len of /v1/models, asked of the engine itself.",
        remedy="Look at the engine's log: it says why it chose another length.",
    ),
    Claim(
        code="LV1203", slug="kv-cache-size", title="The KV cache holds a full request",
        claim="The KV cache of each engine holds at least one request of full length.",
        judge=_capacity,
        why="Below that a long request can only be preempted again and again.",
        reads="num_gpu_blocks times block_size of vllm:cache_config_info; sglang:num_pages times sglang:page_size.",
        remedy="Choose a shorter model length, more tensor parallelism, or an accelerator with more memory.",
    ),
    Claim(
        code="LV1204", slug="engine-arguments", title="Engines run with the arguments as rendered",
        claim="Every ready pod was started with the arguments of this revision: concurrency, parallelism, connectors.",
        judge=_arguments,
        why="What is not in a metric, such as --max-num-seqs, is read back from the pod that runs.",
        reads="The arguments of each pod's container. Values are not shown.",
        remedy="Wait for the rollout, or install again.",
    ),
)  # fmt: skip
