"""What a model weighs and what a GPU holds: pure arithmetic on config.json facts, every formula with its source."""

from llmdctl.memory.budget import KvBudget, kv_budget, torch_peak_bytes, usable_bytes
from llmdctl.memory.facts import ModelFacts
from llmdctl.memory.fit import DoesNotFit, TensorFit, smallest_tensor_parallelism
from llmdctl.memory.kv import kv_bytes_per_sequence, kv_bytes_per_token, state_bytes_per_sequence
from llmdctl.memory.weights import extra_layer_bytes, loaded_weight_bytes, parameters, weight_bytes

__all__ = [
    "DoesNotFit",
    "KvBudget",
    "ModelFacts",
    "TensorFit",
    "extra_layer_bytes",
    "kv_budget",
    "kv_bytes_per_sequence",
    "kv_bytes_per_token",
    "loaded_weight_bytes",
    "parameters",
    "smallest_tensor_parallelism",
    "state_bytes_per_sequence",
    "torch_peak_bytes",
    "usable_bytes",
    "weight_bytes",
]
