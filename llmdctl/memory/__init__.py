"""What a model weighs and what a GPU holds: pure arithmetic on config.json facts, every formula with its source."""

from llmdctl.memory.alignment import cut_blocks, undivided_heads
from llmdctl.memory.budget import (
    KvBudget,
    kv_budget,
    max_concurrency,
    torch_peak_bytes,
    usable_bytes,
    weight_bytes_per_gpu,
)
from llmdctl.memory.disk import LEAST_START_S, cache_bytes, least_start_s
from llmdctl.memory.facts import ModelFacts
from llmdctl.memory.fit import DoesNotFit, TensorFit, smallest_tensor_parallelism
from llmdctl.memory.kv import kv_bytes_per_sequence, kv_bytes_per_token, state_bytes_per_sequence
from llmdctl.memory.serving import (
    RoleLedger,
    argument,
    dialect,
    role_ledger,
    serves_the_facet,
    share,
    whole_experts,
)
from llmdctl.memory.weights import extra_layer_bytes, loaded_weight_bytes, parameters, weight_bytes

__all__ = [
    "LEAST_START_S",
    "DoesNotFit",
    "KvBudget",
    "ModelFacts",
    "RoleLedger",
    "TensorFit",
    "argument",
    "cache_bytes",
    "cut_blocks",
    "dialect",
    "extra_layer_bytes",
    "kv_budget",
    "kv_bytes_per_sequence",
    "kv_bytes_per_token",
    "least_start_s",
    "loaded_weight_bytes",
    "max_concurrency",
    "parameters",
    "role_ledger",
    "serves_the_facet",
    "share",
    "smallest_tensor_parallelism",
    "state_bytes_per_sequence",
    "torch_peak_bytes",
    "undivided_heads",
    "usable_bytes",
    "weight_bytes",
    "weight_bytes_per_gpu",
    "whole_experts",
]
