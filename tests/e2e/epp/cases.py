"""Descriptions of routing that between them say every word of the scheduler chart.

`needs` is the oldest endpoint picker that can do it; the chart refuses it for older ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

VERSIONS: Final = ("0.7", "0.9", "0.10")


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    scheduler: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)  # of global.llmd
    needs: str = "0.7"

    def possible(self, version: str) -> bool:
        return VERSIONS.index(version) >= VERSIONS.index(self.needs)


SPLIT: Final = {"roles": {"prefill": {}, "decode": {}}}
ENCODED: Final = {"roles": {"encode": {}, "prefill": {}, "decode": {}}}
EVENTS: Final = {"model": {"id": "Qwen/Qwen3-32B"}, "blockSize": 64, "hashSeed": "42", "kvEvents": {"enabled": True}}
PRECISE: Final = {"prefixCache": {"source": "precise"}}
FLOW: Final = {"flowControl": True}
PREDICTED: Final = {"predictedLatency": {"enabled": True}}
AFFINITY: Final = {"affinityThreshold": 0.8, "maxTTFTPenaltyMs": 5000, "ttftSource": "latencyPredictor"}
BANDS: Final = {
    "batch": {"priority": -10, "maxBytes": 2_000_000_000, "fairness": "round-robin"},
    "premium": {"priority": 10, "ordering": "edf"},
}


def scorers(*names: str, **parameters: dict[str, Any]) -> dict[str, Any]:
    """One profile with these scorers."""
    given = {name: {"weight": 1.5} for name in names}
    given |= {name.replace("_", "-"): {"parameters": value} for name, value in parameters.items()}
    return {"profiles": {"default": {"scorers": given}}}


CASES: Final = (
    Case(name="defaults"),
    Case(name="sglang", facts={"engine": "sglang"}),
    Case(name="trtllm", facts={"engine": "trtllm"}, needs="0.9"),
    Case(name="split", facts=SPLIT),
    Case(name="split-by-prefix", facts=SPLIT, scheduler={"decider": {"type": "prefix-based", "nonCachedTokens": 512}}),
    Case(
        name="split-by-length",
        facts=SPLIT,
        scheduler={"decider": {"type": "prefix-based", "nonCachedTokens": 512, "promptTokens": 4096}},
        needs="0.10",
    ),
    Case(name="encode-prefill-decode", facts=ENCODED),
    Case(name="encode-decode", facts={"roles": {"encode": {}, "decode": {}}}),
    Case(
        name="old-scorers",
        scheduler=scorers(
            "prefix-cache",
            "queue",
            "kv-cache-utilization",
            "running-requests",
            "lora-affinity",
            "context-length",
            active_request={"idleThreshold": 1, "maxBusyScore": 0.5},
            load_aware={"threshold": 64},
            no_hit_lru={"lruSize": 2048},
        ),
    ),
    Case(
        name="new-scorers",
        scheduler=scorers("mm-embeddings-cache", token_load={"queueThresholdTokens": 1_000_000}),
        needs="0.9",
    ),
    Case(name="sessions", scheduler=scorers("queue", session_affinity={"headerName": "x-s"}), needs="0.9"),
    Case(
        name="filters",
        scheduler={
            "profiles": {
                "default": {
                    "filters": {
                        "label-selector": {"matchLabels": {"a": "b"}},
                        "session-affinity": {},
                        "prefix-cache-affinity": {"affinityThreshold": 0.8},
                    },
                    "scorers": {"queue": {}},
                    "picker": "random",
                }
            }
        },
        needs="0.9",
    ),
    Case(
        name="two-sets-of-parameters",
        facts=SPLIT,
        scheduler={
            "profiles": {
                "prefill": {"scorers": {"load-aware": {"parameters": {"threshold": 64}}}},
                "decode": {"scorers": {"load-aware": {"parameters": {"threshold": 32}}}},
            }
        },
    ),
    Case(
        name="prefix-parameters",
        scheduler={
            "prefixCache": {
                "autoTune": False,
                "blockSizeTokens": 64,
                "maxPrefixTokens": 131_072,
                "lruCapacityPerServer": 1_250_000,
            }
        },
    ),
    Case(
        name="tier",
        scheduler={
            "prefixCache": {"kvBytesPerToken": 262_144, "tiers": {"cpu": {"weight": 0.5, "bytes": 107_374_182_400}}}
        },
    ),
    Case(name="precise", facts=EVENTS, scheduler=PRECISE),
    Case(name="precise-new-prompts", facts=EVENTS, scheduler=PRECISE | scorers("prefix-cache", "no-hit-lru")),
    Case(name="precise-split", facts=EVENTS | SPLIT, scheduler=PRECISE),
    Case(
        name="precise-split-by-prefix",
        facts=EVENTS | SPLIT,
        scheduler=PRECISE | {"decider": {"type": "prefix-based", "nonCachedTokens": 512}},
    ),
    Case(
        name="precise-tier",
        facts=EVENTS | SPLIT,
        scheduler={"prefixCache": {"source": "precise", "tiers": {"cpu": {"weight": 0.4}}}},
    ),
    Case(
        name="precise-everything",
        facts=EVENTS | FLOW,
        scheduler=PRECISE
        | PREDICTED
        | scorers("latency", "token-load", "no-hit-lru")
        | {"flowControl": {"maxConcurrency": 9}},
        needs="0.9",
    ),
    Case(
        name="predicted",
        scheduler=PREDICTED
        | {
            "profiles": {
                "default": {
                    "filters": {"prefix-cache-affinity": AFFINITY},
                    "scorers": {"latency": {}},
                    "picker": "weighted-random",
                }
            }
        },
        needs="0.9",
    ),
    Case(
        name="predicted-slo",
        scheduler={
            "predictedLatency": {"enabled": True, "slo": True, "sloBufferFactor": 1.2},
            "profiles": {
                "default": {
                    "filters": {
                        "prefix-cache-affinity-strict": AFFINITY | {"affinityThreshold": 0.99},
                        "slo-headroom-tier": {},
                        "prefix-cache-affinity": AFFINITY,
                    },
                    "scorers": {"latency": {}},
                    "picker": "weighted-random",
                }
            },
        },
        needs="0.9",
    ),
    Case(name="flow-control-bare", facts=FLOW),
    Case(
        name="flow-control",
        facts=FLOW,
        scheduler={
            "flowControl": {
                "maxBytes": 1_073_741_824,
                "requestTtlSeconds": 1.5,
                "queueDepthThreshold": 8,
                "kvCacheUtilThreshold": 0.9,
                "priorityBands": BANDS,
                "defaultBand": {"maxBytes": 1_000_000, "fairness": "round-robin"},
            },
        },
    ),
    Case(
        name="flow-control-counts",
        facts=FLOW,
        scheduler={
            "flowControl": {
                "maxBytes": "1Gi",
                "maxRequests": 5000,
                "maxConcurrency": 256,
                "headroom": 0.1,
                "priorityBands": {
                    "fair": {"priority": 1, "fairness": "program-aware", "maxRequests": 9, "ordering": "slo-deadline"}
                },
                "negativeBand": {"maxRequests": 10, "ordering": "fcfs"},
            },
            "objectives": {"premium": {"priority": 10}},
        },
        needs="0.9",
    ),
    Case(name="flow-control-tokens", facts=FLOW, scheduler={"flowControl": {"maxTokenConcurrency": 9}}, needs="0.9"),
    Case(
        name="flow-control-hybrid",
        facts=FLOW,
        scheduler={
            "flowControl": {
                "maxConcurrency": 9,
                "maxTokenConcurrency": 90_000,
                "noEndpointTtlSeconds": 600,
                "eviction": True,
            }
        },
        needs="0.10",
    ),
    Case(name="own-plugin", scheduler={"extraPlugins": {"mine": {"type": "queue-scorer"}}} | scorers("mine")),
    Case(name="several-replicas", scheduler={"replicas": 2, "leaderElection": False}),
    Case(
        name="flags",
        scheduler={
            "flags": {"v": 4, "zap-encoder": "console", "enable-pprof": False, "refresh-metrics-interval": "100ms"}
        },
    ),
)
