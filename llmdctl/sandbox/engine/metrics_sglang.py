"""/metrics as SGLang 0.5.23 writes it with --enable-metrics.

Names and types: https://github.com/sgl-project/sglang/blob/v0.5.23/python/sglang/srt/observability/metrics_collector.py.
What the scheduler knows carries its ranks, what the front end counts carries the model alone.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from llmdctl.sandbox.engine.exposition import Page
from llmdctl.sandbox.engine.metrics import Gauges
from llmdctl.sandbox.engine.sequence import ABORT, Sequence

_FIRST: Final = (0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10, 20, 40, 60, 80, 100, 200, 400)
_BETWEEN: Final = (
    0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.06, 0.08, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 2,
    4, 6, 8,
)  # fmt: skip
_WHOLE: Final = (0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10, 20, 40, 60, 80, 100, 200, 400, 600, 1200, 1800, 2400)
_MEGABYTES: Final = (0.1, 0.5, 1, 5, 10, 50, 100, 500, 1000, 5000, 10_000)
_GAUGES: Final = (
    "num_running_reqs", "num_queue_reqs", "num_used_tokens", "token_usage", "cache_hit_rate", "gen_throughput",
    "max_total_num_tokens", "num_retracted_reqs", "utilization", "num_prefill_inflight_queue_reqs",
    "num_decode_prealloc_queue_reqs", "num_decode_transfer_queue_reqs", "page_size", "num_pages", "context_len",
    "hicache_host_used_tokens",
)  # fmt: skip


class Sglang:
    """SGLang's names; satisfies `Recorder`."""

    def __init__(
        self,
        page: Page,
        *,
        model: str,
        mode: str,
        tokens: int,
        page_size: int,
        max_running: int,
        context: int,
        rank: str = "",
        bytes_per_token: int = 0,
    ) -> None:
        self._tokens, self._max_running = tokens, max_running
        ranks = {"model_name": model, "engine_type": mode or "unified", "tp_rank": "0", "pp_rank": "0"}
        ranks |= {"dp_rank": rank} if rank else {}
        self._gauges = {
            name: page.gauge(f"sglang:{name}", f"{name}.", tuple(ranks)).labels(**ranks) for name in _GAUGES
        }
        names = (
            "prompt_tokens", "generation_tokens", "cached_tokens", "num_requests", "num_aborted_requests",
            "hicache_backup_tokens", "storage_prefetch_hit_tokens", "load_back_tokens", "num_transfer_failed_reqs",
        )  # fmt: skip
        front = {"model_name": model}
        self._counters = {
            name: page.counter(f"sglang:{name}", f"{name}.", tuple(front)).labels(**front) for name in names
        }
        self._times = {
            name: page.histogram(f"sglang:{name}_seconds", f"{name}.", tuple(front), buckets).labels(**front)
            for name, buckets in (
                ("time_to_first_token", _FIRST),
                ("inter_token_latency", _BETWEEN),
                ("e2e_request_latency", _WHOLE),
                ("queue_time", _WHOLE),
            )
        }
        self._bytes = bytes_per_token
        moved = page.histogram("sglang:kv_transfer_total_mb", "Megabytes of a transfer.", tuple(front), _MEGABYTES)
        self._moved = moved.labels(**front)
        fixed = {"max_total_num_tokens": tokens, "page_size": page_size, "num_pages": tokens // page_size}
        for name, number in (fixed | {"context_len": context}).items():
            self._gauges[name].set(number)
        self._asked = self._known = 0
        self._made = 0  # tokens since the last look
        self._looked_s = time.monotonic()

    def admitted(self, request: Sequence, *, sources: Mapping[str, int], asked: bool) -> None:  # noqa: ARG002 - not told
        """A request has its place in the batch."""
        self._asked += request.prompt_length
        self._known += request.cached + request.fetched
        self._counters["cached_tokens"].inc(request.cached + request.fetched)
        if self._asked:
            self._gauges["cache_hit_rate"].set(self._known / self._asked)

    def stepped(self, tokens: int, preempted: int) -> None:  # noqa: ARG002 - it counts no steps
        """A step is over."""
        self._gauges["num_retracted_reqs"].set(preempted)

    def first_token(self, request: Sequence, seconds: float) -> None:
        """The prompt is done."""
        self._counters["prompt_tokens"].inc(request.prompt_length)
        self._counters["generation_tokens"].inc()
        self._made += 1
        self._times["time_to_first_token"].observe(seconds)

    def next_token(self, seconds: float) -> None:
        """One more token."""
        self._counters["generation_tokens"].inc()
        self._made += 1
        self._times["inter_token_latency"].observe(seconds)

    def finished(self, request: Sequence, now_s: float) -> None:
        """A request is over."""
        if request.finished == ABORT:
            self._counters["num_aborted_requests"].inc()
            return
        self._counters["num_requests"].inc()
        self._times["e2e_request_latency"].observe(now_s - request.arrived_s)
        if request.started_s is not None:
            self._times["queue_time"].observe(request.started_s - request.arrived_s)

    def look(self, gauges: Gauges) -> None:
        """The state now."""
        now_s = time.monotonic()
        self._gauges["num_running_reqs"].set(gauges.running)
        self._gauges["num_queue_reqs"].set(gauges.waiting)
        self._gauges["token_usage"].set(gauges.usage)
        self._gauges["num_used_tokens"].set(round(gauges.usage * self._tokens))
        self._gauges["utilization"].set(gauges.running / self._max_running)
        if now_s - self._looked_s >= 1:
            self._gauges["gen_throughput"].set(self._made / (now_s - self._looked_s))
            self._made, self._looked_s = 0, now_s

    def expired(self) -> None: ...
    def looked_up(self, tokens: int, here: int) -> None: ...
    def written(self, tokens: int) -> None: ...

    def fetched(self, tokens: int, seconds: float) -> None:  # noqa: ARG002 - its size is counted
        """Blocks of a prefill have come."""
        self._moved.observe(tokens * self._bytes / 1e6)

    def loaded(self, tokens: int, seconds: float) -> None:  # noqa: ARG002 - ... of this as well
        """Blocks came back from the host's memory."""
        self._counters["load_back_tokens"].inc(tokens)

    def fetch_failed(self) -> None:
        """Blocks of a prefill did not come."""
        self._counters["num_transfer_failed_reqs"].inc()

    def offloaded(self, tokens: int) -> None:
        """Blocks went to the host's memory."""
        self._counters["hicache_backup_tokens"].inc(tokens)
        self._gauges["hicache_host_used_tokens"].inc(tokens)

    def shared(self, *, asked: int, found: int, tokens: int) -> None:  # noqa: ARG002 - it counts what came
        """A storage backend was asked."""
        self._counters["storage_prefetch_hit_tokens"].inc(tokens)
