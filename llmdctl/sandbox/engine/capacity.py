"""How many blocks of KV cache a device leaves, from the facts of model and accelerator in facts.json.

The formulas are those of llmdctl.memory, which says where each comes from; this package stands alone in its image, so
they stand here again, over numbers that are computed there. A test holds both to the same results.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from llmdctl.sandbox.engine.arguments import Settings

FACTS: Final = Path(__file__).with_name("facts.json")
_MIB: Final = 2**20
_GIB: Final = 2**30
_USABLE: Final = 0.994
_OTHER: Final = (round(0.14 * _GIB), round(0.55 * _GIB))  # bytes on one device, on several
_PEAK: Final = 9.65
_LARGE: Final = 70 * _GIB  # bytes from which vLLM takes more sequences at once than 256
_MANY: Final = 1024
_SHARE: Final = {"vllm": ("gpu_memory_utilization", 0.92), "sglang": ("mem_fraction_static", 0.9)}


class NoRoomError(Exception):
    """The device leaves less than one request of full length takes; the text is the engine's own."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """The KV cache of one rank. `kv_bytes` is of each of its devices."""

    kv_bytes: int
    tokens: int  # in requests of full length
    bytes_per_token: int  # of all its layers on one device, as long as no window is full


@cache
def facts() -> Mapping[str, Any]:
    """Models by their id, accelerators by the name of their facet."""
    read: Mapping[str, Any] = json.loads(FACTS.read_text(encoding="utf-8"))
    return read


def model_length(model: str) -> int | None:
    """The longest context of a model, tokens; None where it is not known."""
    known = facts()["models"].get(model)
    return known["max_model_len"] if known else None


def room(settings: Settings, environment: Mapping[str, str]) -> Room | None:
    """What is left for the KV cache; None where model or accelerator is not known. Raises NoRoomError."""
    model = facts()["models"].get(settings.model)
    memory = facts()["accelerators_mib"].get(environment.get("LLMDCTL_ENGINE_ACCELERATOR", ""))
    if not model or not memory:
        return None
    pipeline = int(settings.stated.get("pipeline_parallel_size", settings.stated.get("pp_size", 1)))
    tensor = settings.tensor * pipeline
    batch = sequences(settings, environment)
    kv_bytes = _kv_bytes(settings, model, usable=round(memory * _MIB * _USABLE), tensor=tensor, batch=batch)
    narrow = str(settings.stated.get("kv_cache_dtype", "auto")).startswith(("fp8", "int8"))
    width = 1 if narrow else model["kv_width"]
    sequence = _sequence_bytes(model, settings.max_model_len, settings.tensor, width) // pipeline
    if kv_bytes < sequence:
        raise NoRoomError(
            f"To serve at least one request with the models's max seq len ({settings.max_model_len}),"
            f" ({sequence / _GIB:.2f} GiB KV cache is needed, which is larger than the available KV cache memory"
            f" ({max(0, kv_bytes) / _GIB:.2f} GiB)."
        )
    layers = model["full_layers"] + model["windowed_layers"]
    return Room(
        kv_bytes=kv_bytes, tokens=kv_bytes * settings.max_model_len // max(1, sequence),
        bytes_per_token=layers * _layer_bytes(model, settings.tensor, width) // pipeline,
    )  # fmt: skip


def sequences(settings: Settings, environment: Mapping[str, str]) -> int:
    """How many sequences run at once: as stated, else vLLM's default by the memory of its device."""
    memory = facts()["accelerators_mib"].get(environment.get("LLMDCTL_ENGINE_ACCELERATOR", ""), 0)
    large = settings.engine == "vllm" and round(memory * _MIB * _USABLE) >= _LARGE
    return settings.max_num_seqs if "max_num_seqs" in settings.stated or not large else _MANY


def _kv_bytes(settings: Settings, model: Mapping[str, Any], *, usable: int, tensor: int, batch: int) -> int:
    """Share of the usable memory - weights - activations - the rest; SGLang keeps its activations outside its share."""
    size = settings.ranks.size
    weights = -(-model["dense_bytes"] // tensor) + -(-model["expert_bytes"] // (tensor * size))
    name, default = _SHARE[settings.engine]
    share = float(settings.stated.get(name, default))
    peak = 0 if settings.engine == "sglang" else round(_PEAK * batch * model["vocabulary"] * 4)
    return int(round(share * usable) - weights - peak - _OTHER[tensor * size > 1])


def _sequence_bytes(model: Mapping[str, Any], tokens: int, tensor: int, width: int) -> int:
    kept = model["full_layers"] * tokens + model["windowed_layers"] * min(tokens, model["window"] or tokens)
    return int(kept * _layer_bytes(model, tensor, width) + -(-model["state_bytes"] // tensor))


def _layer_bytes(model: Mapping[str, Any], tensor: int, width: int) -> int:
    """Keys and values of one token in one layer on one device; of latent attention the compressed vector."""
    if model["latent_bytes"]:
        return int(model["latent_bytes"][str(width)])
    return int(2 * max(1, -(-model["kv_heads"] // tensor)) * model["head_dim"] * width)
