"""How much of a GPU vLLM leaves for the KV cache.

    KV = utilisation x usable - weights - torch peak - other

holds to 0.01 GiB on the eight published measurements of vLLM on H100
(https://github.com/llm-d-incubation/llm-d-planner/blob/main/docs/empirical-vllm-memory-results.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llmdctl.memory.facts import ModelFacts
from llmdctl.memory.weights import loaded_expert_bytes, loaded_weight_bytes

MIB: Final = 2**20
GIB: Final = 2**30

# What torch sees of what nvidia-smi names: 79.18 of 79.65 GiB (H100), 139.8 of 140.4 GiB (H200).
_USABLE_SHARE: Final = 0.994
# CUDA context and, between GPUs, NCCL: 0.13-0.14 GiB on one GPU and 0.54-0.55 GiB on two, in the measurements above.
_OTHER_BYTES: Final = (round(0.14 * GIB), round(0.55 * GIB))
# Peak of the profiling run over max_num_seqs x vocabulary x 4 bytes: 9.59-9.89 in seven of the eight measurements.
_PEAK_FACTOR: Final = 9.65
# vLLM's own default of max_num_seqs by memory (`EngineArgs.get_batch_defaults`, v0.23).
_LARGE_GPU_BYTES: Final = 70 * GIB
_SEQUENCES: Final = (256, 1024)  # smaller GPUs, larger GPUs


@dataclass(frozen=True, kw_only=True, slots=True)
class KvBudget:
    """The bytes of one GPU by what they are for; `kv` may be negative."""

    usable: int
    weights: int
    torch_peak: int
    other: int
    kv: int


def usable_bytes(memory_mib: int) -> int:
    """What a process can allocate on a GPU of which the driver names `memory_mib`."""
    return round(memory_mib * MIB * _USABLE_SHARE)


def default_sequences(usable: int) -> int:
    """vLLM's `max_num_seqs` when nobody sets it."""
    return _SEQUENCES[usable >= _LARGE_GPU_BYTES]


def torch_peak_bytes(model: ModelFacts, *, sequences: int) -> int:
    """Peak of activations in vLLM's profiling run: 9.65 x max_num_seqs x vocabulary x 4 bytes.

    The sampler's logits decide it, so it grows with the vocabulary and not with the model, and not with tensor
    parallelism, because logits are gathered before sampling.
    """
    return round(_PEAK_FACTOR * sequences * model.vocab * 4)


def kv_budget(
    model: ModelFacts, *, usable: int, tensor: int, utilisation: float, sequences: int | None = None, data: int = 1
) -> KvBudget:
    """The ledger of one GPU of a replica that is split over `tensor` GPUs, with `data` copies of its attention.

    The experts of a sparse model are split over all tensor x data GPUs, with expert parallelism (whole experts) and
    without it (slices of each): https://docs.vllm.ai/en/v0.23.0/serving/data_parallel_deployment/.
    """
    experts = loaded_expert_bytes(model)
    weights = -(-(loaded_weight_bytes(model) - experts) // tensor) + -(-experts // (tensor * data))
    peak = torch_peak_bytes(model, sequences=sequences or default_sequences(usable))
    other = _OTHER_BYTES[tensor > 1]
    kv = round(utilisation * usable) - weights - peak - other
    return KvBudget(usable=usable, weights=weights, torch_peak=peak, other=other, kv=kv)
