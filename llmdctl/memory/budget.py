"""The ledger of a GPU: what its memory goes to, and how much an engine leaves for the KV cache.

For vLLM

    KV = utilisation x usable - weights - torch peak - other

holds to 0.01 GiB on the eight published measurements on H100
(https://github.com/llm-d-incubation/llm-d-planner/blob/main/docs/empirical-vllm-memory-results.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llmdctl.memory.facts import ModelFacts
from llmdctl.memory.kv import kv_bytes_per_sequence
from llmdctl.memory.weights import loaded_expert_bytes, loaded_weight_bytes

MIB: Final = 2**20
GIB: Final = 2**30

# What torch sees of what nvidia-smi names: 79.18 of 79.65 GiB (H100), 139.8 of 140.4 GiB (H200).
_USABLE_SHARE: Final = 0.994
# CUDA context and, between GPUs, NCCL: 0.13-0.14 GiB on one GPU and 0.54-0.55 GiB on two, in the measurements above.
_OTHER_BYTES: Final = (round(0.14 * GIB), round(0.55 * GIB))
# Peak of the profiling run over max_num_seqs x vocabulary x 4 bytes: 9.59-9.89 in seven of the eight measurements.
_PEAK_FACTOR: Final = 9.65
# CUDA graphs lie outside vLLM's share. Between -0.9 and +1.03 GiB in the measurements: one GiB is kept for them.
_GRAPH_BYTES: Final = GIB
# vLLM's own default of max_num_seqs by memory (`EngineArgs.get_batch_defaults`, v0.23).
_LARGE_GPU_BYTES: Final = 70 * GIB
_SEQUENCES: Final = (256, 1024)  # smaller GPUs, larger GPUs


@dataclass(frozen=True, kw_only=True, slots=True)
class KvBudget:
    """The bytes of one GPU by what they are for. `kv` may be negative, and `spare` too: the engine then runs out."""

    usable: int
    weights: int
    torch_peak: int  # activations; 0 where the engine takes them from what it leaves free
    other: int  # CUDA context and NCCL
    kv: int
    graphs: int  # CUDA graphs
    spare: int  # what is left beside the engine's share, after the graphs


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


def weight_bytes_per_gpu(model: ModelFacts, *, tensor: int, data: int = 1) -> int:
    """Weights on one GPU: attention and dense layers / tensor + routed experts / (tensor x data).

    The experts of a sparse model are split over all tensor x data GPUs, with expert parallelism (whole experts) and
    without it (slices of each): https://docs.vllm.ai/en/v0.23.0/serving/data_parallel_deployment/.
    """
    experts = loaded_expert_bytes(model)
    return -(-(loaded_weight_bytes(model) - experts) // tensor) + -(-experts // (tensor * data))


def kv_budget(
    model: ModelFacts,
    *,
    usable: int,
    tensor: int,
    utilisation: float,
    sequences: int | None = None,
    data: int = 1,
    engine: str = "vllm",
) -> KvBudget:
    """The ledger of one GPU of a replica that is split over `tensor` GPUs, with `data` copies of its attention.

    What `utilisation` is a share of differs by engine, with u for usable, w weights, p torch peak and o other:

    - vllm: KV = share u - w - p - o (`gpu_memory_utilization`, `Worker.determine_available_memory` of v0.23)
    - sglang: KV = share u - w - o; activations and graphs live in the rest (`mem_fraction_static`: weights and KV cache
      pool, `ModelRunner.profile_max_num_token` of v0.5.13)
    - trtllm: KV = share (u - w - p - o), a share of what is free once the model is loaded
      (`kv_cache_free_gpu_memory_fraction`, https://nvidia.github.io/TensorRT-LLM/features/kvcache.html); its peak is
      taken to be vLLM's, for lack of measurements

    An engine that is none of these is reckoned as vLLM.
    """
    weights = weight_bytes_per_gpu(model, tensor=tensor, data=data)
    peak = 0 if engine == "sglang" else torch_peak_bytes(model, sequences=sequences or default_sequences(usable))
    other = _OTHER_BYTES[tensor * data > 1]
    if engine == "trtllm":
        kv = round(utilisation * (usable - weights - peak - other))
        spare = usable - weights - peak - other - max(0, kv) - _GRAPH_BYTES
    else:
        kv = round(utilisation * usable) - weights - peak - other
        spare = usable - round(utilisation * usable) - _GRAPH_BYTES
    return KvBudget(
        usable=usable, weights=weights, torch_peak=peak, other=other, kv=kv, graphs=_GRAPH_BYTES, spare=spare
    )


def max_concurrency(model: ModelFacts, budget: KvBudget, *, tokens: int, tensor: int = 1, sequences: int = 0) -> int:
    """Sequences of `tokens` each that the KV cache of a replica holds at once: min(sequences, KV // bytes of one).

    `sequences` is the engine's own bound (`max_num_seqs`); 0 = none. At the longest context it is what vLLM logs as
    "Maximum concurrency". Prefixes that sequences share are counted once for each of them, which is the safe side.
    """
    fitting = max(0, budget.kv) // max(1, kv_bytes_per_sequence(model, tokens, tensor=tensor))
    return min(sequences, fitting) if sequences else fitting
