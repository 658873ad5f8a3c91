"""What engines say of themselves is what was computed and rendered for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from llmdctl.model.proof import Reading
from llmdctl.release.verify import commands
from llmdctl.release.verify.claim import Claim, NotConcernedError, UnknowableError, Verdict, failed, passed, warned
from llmdctl.release.verify.lengths import max_model_len
from llmdctl.release.verify.observed import START, EnginePod, Observed

_INFO: Final = "vllm:cache_config_info"
_SGLANG: Final = {"block_size": "sglang:page_size", "num_gpu_blocks": "sglang:num_pages"}
_TOLERANCE: Final = (
    0.1  # the ledger comes within 0.01 GiB on H100 (llmdctl.memory.budget); elsewhere it is not measured
)
_HALF: Final = 0.5
_LOOK: Final = (
    "Look at the engine's log: it says what weights and activations take. Does another process use the accelerator?",
    "Is the accelerator the one that the release was installed for? Capacity was planned with the computed number.",
)
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
    worst: EnginePod | None = None
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
            worst = worst or pod
            wrong.append(f"{pod.name} has a {what} of {found} instead of {expected} {unit}")
    if wrong:
        return failed(f"{wrong[0]}.", *readings, remedy=_look(seen, worst))
    if unread or not readings:
        raise UnknowableError(unread[0] if unread else "no pod of these roles is ready")
    return passed(f"The {what} of {len(readings)} pods is as rendered.", *readings)


def _capacity(seen: Observed) -> Verdict:
    readings, wrong, unread = [], [], []
    worst: EnginePod | None = None
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
            worst = worst or pod
            wrong.append(f"{pod.name} has a KV cache of {tokens} tokens, and a request may have {longest or 1}")
    if wrong:
        return failed(f"{wrong[0]}.", *readings, remedy=_look(seen, worst))
    if unread or not readings:
        raise UnknowableError(unread[0] if unread else "no pod is ready")
    return passed(f"The KV cache of {len(readings)} pods holds at least one request of full length.", *readings)


def _as_computed(seen: Observed) -> Verdict:
    readings, worst, unread, left_out = [], 1.0, [], []
    said = ""
    worst_pod: EnginePod | None = None
    for pod in _ready(seen):
        ledger = seen.ledgers.get(pod.role, "nothing was computed for it")
        if isinstance(ledger, str):
            left_out.append(f"{pod.role}: {ledger}")
            continue
        try:
            tokens = _tokens(seen, pod)
        except UnknowableError as missing:
            unread.append(missing.reason)
            continue
        computed, length = max(1, ledger.kv_tokens), max(1, ledger.tokens)
        readings += [
            Reading(where=f"{pod.place} KV cache", after=f"{tokens} tokens", expected=f"{computed} tokens"),
            Reading(
                where=f"{pod.place} requests of {length} tokens at once", after=f"{tokens / length:.1f}",
                expected=f"{computed / length:.1f}, and no more than {ledger.sequences}",
            ),
        ]  # fmt: skip
        if abs(tokens / computed - 1) > abs(worst - 1):
            worst_pod = pod
            worst, said = (
                tokens / computed,
                f"{pod.name} has a KV cache of {tokens} tokens, and {computed} were computed",
            )
    if not readings and unread:
        raise UnknowableError(unread[0])
    if not readings:
        raise NotConcernedError(left_out[0] if left_out else "nothing was computed for this release")
    if worst < _HALF:
        return failed(f"{said}: something else takes the memory.", *readings, remedy=(*_LOOK, *_look(seen, worst_pod)))
    if abs(worst - 1) > _TOLERANCE:
        return warned(f"{said}.", *readings, remedy=(*_LOOK, *_look(seen, worst_pod)))
    return passed(f"The KV cache of {len(readings) // 2} pods is as large as computed.", *readings)


def _look(seen: Observed, pod: EnginePod | None) -> tuple[str, ...]:
    """Into the log of the pod that a verdict is about: an engine says there what it chose, and why."""
    return () if pod is None else (commands.engine_log(seen, pod),)


def _tokens(seen: Observed, pod: EnginePod) -> int:
    """What the engine says that its KV cache holds: windowed layers make it more than blocks x block size."""
    stated = {sample.labels.get("kv_cache_size_tokens", "") for sample in seen.scrape(START, pod.name).of(_INFO)}
    numbers = [int(text) for text in stated if text.isdigit()]
    return min(numbers) if numbers else _cache(seen, pod, "num_gpu_blocks") * _cache(seen, pod, "block_size")


def _arguments(seen: Observed) -> Verdict:
    readings, wrong, edited = [], [], []
    for pod in _ready(seen):
        rendered = tuple(str(word) for word in seen.role(pod).engine.container.value.get("args") or ())
        same = pod.args == rendered
        after = "as rendered" if same else _first_difference(rendered, pod.args)
        readings.append(Reading(where=f"{pod.place} args", after=after, expected="as rendered"))
        if not same:
            edited.append(pod)
            wrong.append(f"{pod.name} runs with other arguments than rendered: {after}")
    if wrong:
        return failed(
            f"{wrong[0]}.", *readings,
            remedy=(
                "A rollout has not ended, or somebody edited the workload: the same `llmdctl install` puts it back.",
                commands.workload(seen, seen.role(edited[0])),
            ),
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
        raise seen.nobody_ready()
    return pods


PROOFS: Final = (
    Claim(
        code="LV1201", slug="block-size", title="Engines have the block size as rendered",
        claim="The block size that an engine runs with is the one the scheduler reckons with.",
        judge=_block_size, awake=True,
        why="An engine may change it (vLLM does for some attention kernels); prefixes then match at other borders.",
        reads="vllm:cache_config_info block_size, sglang:page_size.",
        remedy="Set the block size that the engine accepts; both sides get it from one value.",
    ),
    Claim(
        code="LV1202", slug="model-length", title="Engines have the model length as rendered",
        claim="The longest request that an engine takes is the one that was computed.",
        judge=_length, awake=True,
        why="An engine that cuts it for want of memory refuses prompts that were promised.",
        reads="max_model_len of /v1/models, asked of the engine itself.",
        remedy="Look at the engine's log: it says why it chose another length.",
    ),
    Claim(
        code="LV1203", slug="kv-cache-size", title="The KV cache holds a full request",
        claim="The KV cache of each engine holds at least one request of full length.",
        judge=_capacity, awake=True,
        why="Below that a long request can only be preempted again and again.",
        reads="num_gpu_blocks times block_size of vllm:cache_config_info; sglang:num_pages times sglang:page_size.",
        remedy="Choose a shorter model length, more tensor parallelism, or an accelerator with more memory.",
    ),
    Claim(
        code="LV1204", slug="engine-arguments", title="Engines run with the arguments as rendered",
        claim="Every ready pod was started with the arguments of this revision: concurrency, parallelism, connectors.",
        judge=_arguments, awake=True,
        why="What is not in a metric, such as --max-num-seqs, is read back from the pod that runs.",
        reads="The arguments of each pod's container. Values are not shown.",
        remedy="Wait for the rollout, or install again.",
    ),
    Claim(
        code="LV1205", slug="kv-cache-as-computed", title="The KV cache is as large as computed",
        claim="Each engine has the KV cache, and takes as many long requests at once, as was computed for its model on"
        " its accelerator.",
        judge=_as_computed, awake=True,
        why="Replicas, queues and tiers are sized with that number; another process on the accelerator, another"
        " precision or another accelerator make it wrong without an error.",
        reads="kv_cache_size_tokens of vllm:cache_config_info (vLLM 0.32), else blocks times block size;"
        " sglang:num_pages times sglang:page_size. The computed number is the ledger of `llmdctl preflight`. A tenth"
        " more or less is a warning, less than half a failure.",
        remedy="Look at the engine's log, and at what else runs on the accelerator.",
        sources=("https://github.com/llm-d-incubation/llm-d-planner/blob/main/docs/empirical-vllm-memory-results.md",),
    ),
)  # fmt: skip
