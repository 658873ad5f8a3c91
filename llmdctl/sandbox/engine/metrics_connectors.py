"""What KV connectors of vLLM add to /metrics.

Names and types: vLLM 0.32.0, `vllm/distributed/kv_transfer/kv_connector/v1/{nixl,offloading}` and
`vllm/v1/kv_offload/tiering`; LMCache's: https://docs.lmcache.ai/production/observability/vllm_endpoint.html. Bytes are
tokens by the model's bytes of KV cache per token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from llmdctl.sandbox.engine.exposition import Page

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 5.0)
_BYTES: Final = tuple(float(2 ** (10 + power)) for power in range(1, 25, 2))
_DESCRIPTORS: Final = (10, 20, 30, 50, 75, 100, 200, 400, 1000, 2000, 4000, 10000, 20000, 50000)


class Nixl:
    """Transfers between servers, counted where blocks arrive; blocks that nobody fetched, where they were held."""

    def __init__(self, page: Page, base: Mapping[str, str], bytes_per_token: int) -> None:
        names, self._bytes = tuple(base), bytes_per_token
        self._took = page.histogram("vllm:nixl_xfer_time_seconds", "Time of a transfer.", names, _SECONDS)
        self._posted = page.histogram("vllm:nixl_post_time_seconds", "Time to post a transfer.", names, _SECONDS)
        self._sizes = page.histogram("vllm:nixl_bytes_transferred", "Bytes of a transfer.", names, _BYTES)
        self._parts = page.histogram("vllm:nixl_num_descriptors", "Descriptors of a transfer.", names, _DESCRIPTORS)
        self._base = dict(base)
        for family in (self._took, self._posted, self._sizes, self._parts):
            family.labels(**base)
        self.failed = page.counter("vllm:nixl_num_failed_transfers", "Transfers that failed.", names).labels(**base)
        self.expired = page.counter(
            "vllm:nixl_num_kv_expired_reqs", "Requests whose blocks nobody fetched in time.", names
        ).labels(**base)
        page.counter("vllm:nixl_num_failed_notifications", "Notifications that failed.", names).labels(**base)

    def fetched(self, tokens: int, seconds: float) -> None:
        """The blocks of one request have come."""
        self._took.labels(**self._base).observe(seconds)
        self._posted.labels(**self._base).observe(0.0)
        self._sizes.labels(**self._base).observe(tokens * self._bytes)
        self._parts.labels(**self._base).observe(1)


class Offloading:
    """OffloadingConnector: device memory to CPU memory and back. The names with transfer_type are the older ones."""

    def __init__(self, page: Page, base: Mapping[str, str], bytes_per_token: int) -> None:
        names, self._bytes = tuple(base), bytes_per_token
        self._counters = {
            name: page.counter(f"vllm:kv_offload_{name}", text, names).labels(**base)
            for name, text in (
                ("store_bytes", "Bytes that went to the tier."),
                ("store_time", "Seconds of it."),
                ("load_bytes", "Bytes that came back."),
                ("load_time", "Seconds of it."),
                ("allocation_failure", "Stores that found no room."),
                ("stores_skipped", "Stores that were left out."),
            )
        }
        older = page.counter("vllm:kv_offload_total_bytes", "Bytes by direction.", (*names, "transfer_type"))
        self._out = older.labels(**base, transfer_type="GPU_to_CPU")
        self._in = older.labels(**base, transfer_type="CPU_to_GPU")
        # Counts blocks in transfer, not residents: 0 between steps, whatever the tier holds.
        page.gauge("vllm:kv_offload_cpu_cache_usage_perc", "Part of the tier in transfer.", names).labels(**base)

    def stored(self, tokens: int) -> None:
        """Blocks went to CPU memory."""
        self._counters["store_bytes"].inc(tokens * self._bytes)
        self._out.inc(tokens * self._bytes)

    def loaded(self, tokens: int, seconds: float) -> None:
        """Blocks came back."""
        self._counters["load_bytes"].inc(tokens * self._bytes)
        self._counters["load_time"].inc(seconds)
        self._in.inc(tokens * self._bytes)


class Tiering:
    """TieringOffloadingSpec: a second tier behind CPU memory, here the file system."""

    def __init__(self, page: Page, base: Mapping[str, str], bytes_per_token: int, tier: str = "1:fs") -> None:
        names, self._bytes = (*base, "tier"), bytes_per_token
        self._queries, self._hits, self._read, self._written = (
            page.counter(f"vllm:kv_offload_tiering_{name}", text, names).labels(**base, tier=tier)
            for name, text in (
                ("chunk_queries", "Chunks asked of a tier."),
                ("chunk_hits", "Chunks that it had."),
                ("read_bytes", "Bytes read from it."),
                ("write_bytes", "Bytes written to it."),
            )
        )

    def read(self, *, asked: int, found: int, tokens: int) -> None:
        """A look-up, and what was read of it."""
        self._queries.inc(asked)
        self._hits.inc(found)
        self._read.inc(tokens * self._bytes)

    def written(self, tokens: int) -> None:
        """Blocks went to it."""
        self._written.inc(tokens * self._bytes)


class Mooncake:
    """MooncakeStoreConnector: operations on the store that several servers share."""

    def __init__(self, page: Page, base: Mapping[str, str], bytes_per_token: int) -> None:
        names, self._bytes = (*base, "operation", "status"), bytes_per_token
        self._calls, self._keys, self._moved = (
            {
                name: family.labels(**base, operation=name, status="ok")
                for name in ("save_exists", "save_put", "lookup_exists", "load_get")
            }
            for family in (
                page.counter("vllm:mooncake_store_operation", "Operations.", names),
                page.counter("vllm:mooncake_store_operation_keys", "Keys of them.", names),
                page.counter("vllm:mooncake_store_operation_bytes", "Bytes of them.", names),
            )
        )

    def read(self, *, asked: int, found: int, tokens: int) -> None:
        """A look-up, and what was read of it."""
        self._did("lookup_exists", asked, 0)
        if found:
            self._did("load_get", found, tokens)

    def written(self, tokens: int) -> None:
        """Blocks went to it."""
        if tokens:
            self._did("save_put", 1, tokens)

    def _did(self, operation: str, keys: int, tokens: int) -> None:
        self._calls[operation].inc()
        self._keys[operation].inc(keys)
        self._moved[operation].inc(tokens * self._bytes)


class Lmcache:
    """LMCache as a connector; its metrics come out of vLLM's /metrics."""

    def __init__(self, page: Page, model: str) -> None:
        base = {"model_name": model, "worker_id": "0", "role": "worker"}
        self.stored, self._requested, self._hit, self._asked, self._known, self._device = (
            page.counter(f"lmcache:num_{name}", text, tuple(base)).labels(**base)
            for name, text in (
                ("stored_tokens", "Tokens stored."),
                ("requested_tokens", "Tokens asked back."),
                ("hit_tokens", "Tokens given back."),
                ("lookup_tokens", "Tokens looked up."),
                ("lookup_hits", "Tokens found."),
                ("vllm_hit_tokens", "Tokens that vLLM had itself."),
            )
        )

    def looked_up(self, tokens: int, here: int) -> None:
        """One request was looked up; `here` is what device memory had."""
        self._asked.inc(tokens)
        self._device.inc(here)

    def loaded(self, tokens: int) -> None:
        """That many were found and given back."""
        self._requested.inc(tokens)
        self._hit.inc(tokens)
        self._known.inc(tokens)
