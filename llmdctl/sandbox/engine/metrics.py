"""/metrics as vLLM and SGLang write it; every value follows from what the engine did.

Names, types, labels and buckets of vLLM are those of a running 0.32.0; of SGLang those of 0.5.23's collector
(https://github.com/sgl-project/sglang/tree/v0.5.23, `metrics_collector.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from prometheus_client import Counter, Gauge, Histogram

from llmdctl.sandbox.engine.exposition import Page
from llmdctl.sandbox.engine.metrics_connectors import Lmcache, Mooncake, Nixl, Offloading, Tiering
from llmdctl.sandbox.engine.sequence import Sequence as Request

_LATENCY: Final = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
    1920.0, 7680.0,
)  # fmt: skip
_FIRST: Final = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
    160.0, 640.0, 2560.0,
)  # fmt: skip
_BETWEEN: Final = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip
_ITERATION: Final = tuple(float(2**power) for power in (0, *range(3, 15)))
_TIMES: Final = ("e2e_request_latency", "request_queue_time", "request_inference_time", "request_prefill_time",
                 "request_decode_time")  # fmt: skip
FINISH_REASONS: Final = ("stop", "length", "abort", "error", "repetition")
SOURCES: Final = ("local_compute", "local_cache_hit", "external_kv_transfer")
TIERS: Final = ("device", "host", "p2p", "disk", "external_unspecified")


@dataclass(frozen=True, kw_only=True, slots=True)
class Gauges:
    """The state of the engine at one moment."""

    running: int
    waiting: int
    usage: float
    lora_running: tuple[str, ...] = ()
    lora_waiting: tuple[str, ...] = ()
    asleep: int = 0  # 0 awake, 1 weights offloaded, 2 all discarded


class Recorder(Protocol):
    """What the engine tells of itself; one implementation a dialect."""

    def admitted(self, request: Request, *, sources: Mapping[str, int], asked: bool) -> None: ...
    def stepped(self, tokens: int, preempted: int) -> None: ...
    def first_token(self, request: Request, seconds: float) -> None: ...
    def next_token(self, seconds: float) -> None: ...
    def finished(self, request: Request, now_s: float) -> None: ...
    def look(self, gauges: Gauges) -> None: ...
    def fetched(self, tokens: int, seconds: float) -> None: ...  # another server's blocks
    def fetch_failed(self) -> None: ...
    def expired(self) -> None: ...  # blocks that nobody fetched
    def offloaded(self, tokens: int) -> None: ...
    def looked_up(self, tokens: int, here: int) -> None: ...  # asked of tiers; device memory had `here`
    def loaded(self, tokens: int, seconds: float) -> None: ...  # from a tier
    def shared(self, *, asked: int, found: int, tokens: int) -> None: ...  # chunks, tokens read of a store
    def written(self, tokens: int) -> None: ...  # to a store


def one_two_five(longest: int) -> list[float]:
    """1, 2, 5, 10, ... up to a number, as vLLM makes its buckets of tokens."""
    found: list[float] = []
    power = 1
    while True:
        for digit in (1, 2, 5):
            if digit * power > longest:
                return found
            found.append(float(digit * power))
        power *= 10


class Vllm:
    """vLLM's names, of one rank; all ranks of a server are on one page."""

    def __init__(
        self,
        page: Page,
        *,
        model: str,
        max_model_len: int,
        cache: Mapping[str, str],
        engine: str = "0",
        max_loras: int = 0,
        bytes_per_token: int = 0,
        connectors: frozenset[str] = frozenset(),
    ) -> None:
        self._page, self._max_loras = page, max_loras
        self._base = {"engine": engine, "model_name": model}
        self._tokens = one_two_five(max_model_len)
        self._nixl = Nixl(page, self._base, bytes_per_token) if "nixl" in connectors else None
        self._offloading = Offloading(page, self._base, bytes_per_token) if "offloading" in connectors else None
        self._stores: list[Tiering | Mooncake] = []
        if "tiering" in connectors:
            self._stores.append(Tiering(page, self._base, bytes_per_token))
        if "mooncake" in connectors:
            self._stores.append(Mooncake(page, self._base, bytes_per_token))
        self._lmcache = Lmcache(page, model) if "lmcache" in connectors else None
        self._gauges = {
            name: self._gauge(name, text)
            for name, text in (
                ("num_requests_running", "Requests in the batch."),
                ("num_requests_waiting", "Requests that wait."),
                ("kv_cache_usage_perc", "Part of the KV cache in use, 0 to 1."),
            )
        }
        self._by_reason = self._gauge("num_requests_waiting_by_reason", "Requests that wait, by reason.", "reason")
        self._sleep = self._gauge("engine_sleep_state", "Whether the engine sleeps, and how.", "sleep_state")
        self._counters = {
            name: self._counter(name, text)
            for name, text in (
                ("prefix_cache_queries", "Prompt tokens looked up in the cache."),
                ("prefix_cache_hits", "Prompt tokens found in the cache."),
                ("external_prefix_cache_queries", "Prompt tokens looked up elsewhere."),
                ("external_prefix_cache_hits", "Prompt tokens that came from elsewhere."),
                ("mm_cache_queries", "Items looked up in the multi-modal cache."),
                ("mm_cache_hits", "Items found in the multi-modal cache."),
                ("num_preemptions", "Requests that were put back."),
                ("prompt_tokens", "Prompt tokens processed."),
                ("prompt_tokens_cached", "Prompt tokens that were not computed."),
                ("generation_tokens", "Tokens generated."),
            )
        }
        self._by_source = self._counter("prompt_tokens_by_source", "Prompt tokens by source.", "source", SOURCES)
        self._by_tier = self._counter(
            "prompt_tokens_cached_by_source", "Cached prompt tokens by tier.", "source", TIERS
        )
        self._success = self._counter(
            "request_success", "Requests by how they ended.", "finished_reason", FINISH_REASONS
        )
        self._sizes = {
            name: self._histogram(name, text, self._tokens)
            for name, text in (
                ("request_prompt_tokens", "Prompt tokens of a request."),
                ("request_generation_tokens", "Generated tokens of a request."),
                ("request_max_num_generation_tokens", "The most tokens that a request may get."),
                ("request_params_max_tokens", "max_tokens of a request."),
                ("request_prefill_kv_computed_tokens", "Prompt tokens that were computed."),
            )
        }
        self._parallel = self._histogram("request_params_n", "n of a request.", (1, 2, 5, 10, 20))
        self._iteration = self._histogram("iteration_tokens_total", "Tokens of a step.", _ITERATION)
        self._again = self._histogram("request_num_preemptions", "Preemptions of a request.", (1, 2, 3, 4, 5, 10, 20))
        self._first = self._histogram("time_to_first_token_seconds", "Time to the first token.", _FIRST)
        self._between = self._histogram("inter_token_latency_seconds", "Time between tokens.", _BETWEEN)
        self._per_token = self._histogram("request_time_per_output_token_seconds", "Mean time of a token.", _BETWEEN)
        self._times = {name: self._histogram(f"{name}_seconds", f"{name}.", _LATENCY) for name in _TIMES}
        info = page.gauge("vllm:cache_config_info", "The KV cache.", (*cache, "engine"))
        info.labels(**cache, engine=engine).set(1)
        names = ("max_lora", "waiting_lora_adapters", "running_lora_adapters")
        self._lora = page.gauge("vllm:lora_requests_info", "Adapters in use.", names) if max_loras else None

    def admitted(self, request: Request, *, sources: Mapping[str, int], asked: bool) -> None:
        """A request has its first place in the batch; `sources` says how many tokens came from which tier, `asked`
        whether any connector was asked.
        """
        prompt, here, elsewhere = request.prompt_length, request.cached, request.fetched
        self._counters["prefix_cache_queries"].inc(prompt)
        self._counters["prefix_cache_hits"].inc(here)
        if asked:
            self._counters["external_prefix_cache_queries"].inc(prompt - here)
            self._counters["external_prefix_cache_hits"].inc(elsewhere)
        for source, tokens in {**sources, "device": here}.items():
            self._by_tier.labels(**self._base, source=source).inc(tokens)
        self._counters["prompt_tokens_cached"].inc(here + elsewhere)

    def stepped(self, tokens: int, preempted: int) -> None:
        """A step is over."""
        self._iteration.observe(tokens)
        self._counters["num_preemptions"].inc(preempted)

    def first_token(self, request: Request, seconds: float) -> None:
        """The prompt is done."""
        self._counters["prompt_tokens"].inc(request.prompt_length)
        for source, number in zip(SOURCES, (request.first_computed, request.cached, request.fetched), strict=True):
            self._by_source.labels(**self._base, source=source).inc(number)
        self._counters["generation_tokens"].inc()
        self._first.observe(seconds)

    def next_token(self, seconds: float) -> None:
        """One more token."""
        self._counters["generation_tokens"].inc()
        self._between.observe(seconds)

    def finished(self, request: Request, now_s: float) -> None:
        """A request is over."""
        self._success.labels(**self._base, finished_reason=request.finished).inc()
        asked = request.asked
        started = request.started_s if request.started_s is not None else now_s
        first = request.first_token_s if request.first_token_s is not None else now_s
        last = request.last_token_s if request.last_token_s is not None else now_s
        sizes = (request.prompt_length, request.generated, asked.max_tokens, asked.max_tokens, request.first_computed)
        for histogram, size in zip(self._sizes.values(), sizes, strict=True):
            histogram.observe(size)
        self._parallel.observe(1)
        self._again.observe(request.preemptions)
        if request.generated > 1:
            self._per_token.observe((last - first) / (request.generated - 1))
        times = (now_s - request.arrived_s, started - request.arrived_s, last - started, first - started, last - first)
        for histogram, seconds in zip(self._times.values(), times, strict=True):
            histogram.observe(seconds)

    def look(self, gauges: Gauges) -> None:
        """The state now."""
        self._gauges["num_requests_running"].set(gauges.running)
        self._gauges["num_requests_waiting"].set(gauges.waiting)
        self._gauges["kv_cache_usage_perc"].set(gauges.usage)
        for reason, number in (("capacity", gauges.waiting), ("deferred", 0)):
            self._by_reason.labels(**self._base, reason=reason).set(number)
        for depth, state in enumerate(("awake", "weights_offloaded", "discard_all")):
            self._sleep.labels(**self._base, sleep_state=state).set(float(gauges.asleep == depth))

        if self._lora is not None:
            running, waiting = ",".join(gauges.lora_running), ",".join(gauges.lora_waiting)
            series = (str(self._max_loras), waiting, running)
            self._lora.labels(*series).set_to_current_time()  # readers take the latest of the series

    def fetched(self, tokens: int, seconds: float) -> None:
        if self._nixl:
            self._nixl.fetched(tokens, seconds)

    def fetch_failed(self) -> None:
        if self._nixl:
            self._nixl.failed.inc()

    def expired(self) -> None:
        if self._nixl:
            self._nixl.expired.inc()

    def offloaded(self, tokens: int) -> None:
        if self._offloading:
            self._offloading.stored(tokens)
        if self._lmcache:
            self._lmcache.stored.inc(tokens)

    def looked_up(self, tokens: int, here: int) -> None:
        if self._lmcache:
            self._lmcache.looked_up(tokens, here)

    def loaded(self, tokens: int, seconds: float) -> None:
        if self._offloading and tokens:
            self._offloading.loaded(tokens, seconds)
        if self._lmcache:
            self._lmcache.loaded(tokens)

    def shared(self, *, asked: int, found: int, tokens: int) -> None:
        for store in self._stores:
            store.read(asked=asked, found=found, tokens=tokens)

    def written(self, tokens: int) -> None:
        for store in self._stores:
            store.written(tokens)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        made = self._page.gauge(f"vllm:{name}", text, (*self._base, *labels))
        return made if labels else made.labels(**self._base)

    def _counter(self, name: str, text: str, label: str = "", values: Sequence[str] = ()) -> Counter:
        made = self._page.counter(f"vllm:{name}", text, (*self._base, *([label] if label else [])))
        for value in values:
            made.labels(**self._base, **{label: value})
        return made if label else made.labels(**self._base)

    def _histogram(self, name: str, text: str, buckets: Sequence[float]) -> Histogram:
        made = self._page.histogram(f"vllm:{name}", text, tuple(self._base), buckets)
        return made.labels(**self._base)
