"""Names of metrics by engine and by version of the endpoint picker (EPP): one table each.

Sources. vLLM 0.32.0: a running server, https://github.com/vllm-project/vllm/tree/v0.32.0. SGLang 0.5.23:
https://github.com/sgl-project/sglang/tree/v0.5.23, `metrics_collector.py`. LMCache, inside vLLM:
https://docs.lmcache.ai/production/observability/vllm_endpoint.html. EPP 0.7.1:
https://github.com/llm-d/llm-d-inference-scheduler/tree/v0.7.1 with gateway-api-inference-extension v1.4.0. EPP 0.9.0
and 0.10.0: https://github.com/llm-d/llm-d-router. The families are those of `lint/data/engine-metrics.json` and
`epp-metrics.json`; a test holds every name here against them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from llmdctl.prometheus import Exposition
from llmdctl.release.verify.claim import UnknowableError

PROMPT: Final = "prompt_tokens"
CACHED: Final = "cached_tokens"
COMPUTED: Final = "computed_tokens"
FETCHED: Final = "fetched_tokens"
KV_BYTES: Final = "kv_bytes"
KV_FAILED: Final = "kv_failed"
STORED: Final = "tier_stored"
LOADED: Final = "tier_loaded"

ENGINES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "vllm": {
        PROMPT: ("vllm:prompt_tokens_total",),
        CACHED: ("vllm:prefix_cache_hits_total",),
        COMPUTED: ('vllm:prompt_tokens_by_source_total{source="local_compute"}',),
        FETCHED: (
            'vllm:prompt_tokens_by_source_total{source="external_kv_transfer"}',
            "vllm:external_prefix_cache_hits_total",
        ),
        KV_BYTES: ("vllm:nixl_bytes_transferred_sum",),
        KV_FAILED: ("vllm:nixl_num_failed_transfers_total",),
        STORED: (
            "vllm:kv_offload_store_bytes_total",
            'vllm:kv_offload_total_bytes_total{transfer_type="GPU_to_CPU"}',
            'vllm:simple_kv_offload_save_outcomes_total{outcome="saved"}',
            "vllm:kv_offload_tiering_write_bytes_total",
            'vllm:mooncake_store_operation_bytes_total{operation="save_put"}',
            "lmcache:num_stored_tokens_total",
        ),
        LOADED: (
            "vllm:kv_offload_load_bytes_total",
            'vllm:kv_offload_total_bytes_total{transfer_type="CPU_to_GPU"}',
            "vllm:simple_kv_offload_load_blocks_total",
            "vllm:kv_offload_tiering_read_bytes_total",
            'vllm:mooncake_store_operation_bytes_total{operation="load_get"}',
            "lmcache:num_hit_tokens_total",
        ),
    },
    "sglang": {
        PROMPT: ("sglang:prompt_tokens_total",),
        CACHED: ("sglang:cached_tokens_total",),
        KV_BYTES: ("sglang:kv_transfer_total_mb_sum",),
        KV_FAILED: ("sglang:num_transfer_failed_reqs_total",),
        STORED: ("sglang:hicache_backup_tokens_total", "sglang:hicache_host_used_tokens"),
        LOADED: ("sglang:load_back_tokens_total",),
    },
}
"""Engine -> what is counted -> names, the first one that is exposed counts. `x{a="b"}`: only these samples."""

READY: Final = "ready"
REQUESTS: Final = "requests"
QUEUED: Final = "queued"
QUEUE_SIZE: Final = "queue_size"
WAITED: Final = "waited_seconds"
EVENTS: Final = "events"
SUBSCRIBERS: Final = "subscribers"
DECISIONS: Final = "decisions"

EPP: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "0.7": {
        READY: ("inference_pool_ready_pods",),
        REQUESTS: ("inference_objective_request_total",),
        QUEUED: ("inference_extension_flow_control_request_queue_duration_seconds_count",),
        WAITED: ("inference_extension_flow_control_request_queue_duration_seconds_sum",),
        QUEUE_SIZE: ("inference_extension_flow_control_queue_size",),
        EVENTS: ("kvcache_index_admissions_total",),
        DECISIONS: ("llm_d_inference_scheduler_disagg_decision_total", "llm_d_inference_scheduler_pd_decision_total"),
    },
    "0.9": {
        READY: ("llm_d_epp_ready_endpoints", "inference_pool_ready_pods"),
        REQUESTS: ("llm_d_epp_request_total", "inference_objective_request_total"),
        QUEUED: ("llm_d_epp_flow_control_request_queue_duration_seconds_count",),
        WAITED: ("llm_d_epp_flow_control_request_queue_duration_seconds_sum",),
        QUEUE_SIZE: ("llm_d_epp_flow_control_queue_size",),
        EVENTS: ("kvcache_index_admissions_total",),
        DECISIONS: ("llm_d_epp_disagg_decision_total", "llm_d_epp_pd_decision_total"),
    },
    "0.10": {
        READY: ("llm_d_epp_ready_endpoints", "inference_pool_ready_pods"),
        REQUESTS: ("llm_d_epp_request_total", "inference_objective_request_total"),
        QUEUED: ("llm_d_epp_flow_control_request_queue_duration_seconds_count",),
        WAITED: ("llm_d_epp_flow_control_request_queue_duration_seconds_sum",),
        QUEUE_SIZE: ("llm_d_epp_flow_control_queue_size",),
        EVENTS: ("llm_d_epp_kv_cache_events_messages_received_total", "llm_d_epp_kv_cache_index_admissions_total"),
        SUBSCRIBERS: ("llm_d_epp_kv_cache_events_active_subscribers",),
        DECISIONS: ("llm_d_epp_disagg_decision_total", "llm_d_epp_pd_decision_total"),
    },
}
"""Version of the endpoint picker -> what is counted -> names."""

UPSTREAM: Final = "envoy_cluster_upstream_rq_total"
"""Requests that an Envoy gave to each of its clusters, by `envoy_cluster_name`:
https://www.envoyproxy.io/docs/envoy/v1.36.0/configuration/upstream/cluster_manager/cluster_stats"""

LATE: Final = frozenset({KV_BYTES, KV_FAILED, STORED, LOADED, EVENTS, QUEUED, DECISIONS, REQUESTS})
"""What appears only after its first use, so that no sample means nothing happened yet, not that it cannot be told."""


def split(name: str) -> tuple[str, dict[str, str]]:
    """`x{a="b"}` as the name and its labels."""
    plain, _, rest = name.partition("{")
    pairs = (part.partition("=") for part in rest.rstrip("}").split(",") if part)
    return plain, {key: value.strip('"') for key, _, value in pairs}


def names(engine: str, counted: str) -> tuple[str, ...]:
    """The names in an engine. Raises UnknowableError where nothing is known of that engine."""
    found = ENGINES.get(engine, {}).get(counted, ())
    if not found:
        raise UnknowableError(f"no metric of {engine} is known that counts this")
    return found


def epp_names(version: str, counted: str) -> tuple[str, ...]:
    """The names in a version of the endpoint picker; all names of all versions where the version is not known."""
    if version in EPP:
        found = EPP[version].get(counted, ())
        if not found:
            raise UnknowableError(f"EPP {version} has no metric that counts this")
        return found
    return tuple(dict.fromkeys(name for table in reversed(list(EPP.values())) for name in table.get(counted, ())))


def first(exposition: Exposition, candidates: tuple[str, ...]) -> tuple[str, float] | None:
    """The first name that has samples, with their sum; None where none has."""
    for name in candidates:
        plain, labels = split(name)
        total = exposition.total(plain, **labels)
        if total is not None:
            return name, total
    return None
