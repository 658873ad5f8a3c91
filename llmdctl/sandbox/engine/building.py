"""Engines and their APIs from a command line and an environment."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import zmq

from llmdctl.sandbox.engine import capacity, connectors, faults
from llmdctl.sandbox.engine import curve as curves
from llmdctl.sandbox.engine.api import Api, Rank
from llmdctl.sandbox.engine.arguments import Settings
from llmdctl.sandbox.engine.batching import Limits
from llmdctl.sandbox.engine.blocks import BlockPool, Tier
from llmdctl.sandbox.engine.connectors import Elsewhere
from llmdctl.sandbox.engine.events import Publisher
from llmdctl.sandbox.engine.exposition import Page
from llmdctl.sandbox.engine.metrics import Recorder, Vllm
from llmdctl.sandbox.engine.metrics_sglang import Sglang
from llmdctl.sandbox.engine.running import Engine

_BLOCKS: Final = 4096  # of a cache whose size nobody states
_KV_BYTES_PER_TOKEN: Final = 131_072  # 32 layers, 8 heads of 128, key and value, 2 bytes each: of a model nobody knows


class BuildError(Exception):
    """The environment says something that cannot be; the text says what."""


@dataclass(frozen=True, kw_only=True)
class _Making:
    """What every rank is made from."""

    settings: Settings
    environment: Mapping[str, str]
    tiers: Elsewhere
    wrong: Mapping[str, Any]  # faults from the start
    room: capacity.Room | None  # None: not known for this model on this accelerator

    @property
    def blocks(self) -> int:
        """Of the cache of one rank: as stated, else as the device leaves."""
        stated = self.settings.blocks or int(self.environment.get("LLMDCTL_ENGINE_BLOCKS", 0))
        return stated or (self.room.tokens // self.settings.block_size if self.room else _BLOCKS)

    @property
    def bytes_per_token(self) -> int:
        """Of the KV cache, on all devices of a rank."""
        known = self.room.bytes_per_token * self.settings.tensor if self.room else _KV_BYTES_PER_TOKEN
        return int(self.environment.get("LLMDCTL_ENGINE_KV_BYTES_PER_TOKEN", known))


def build(settings: Settings, environment: Mapping[str, str] | None = None) -> tuple[Api, ...]:
    """One API for all ranks, or one a rank. Raises BuildError."""
    environment = os.environ if environment is None else environment
    try:
        making = _Making(
            settings=settings,
            environment=environment,
            tiers=connectors.elsewhere(settings, environment),
            wrong=json.loads(environment.get("LLMDCTL_ENGINE_FAULTS", "{}")),
            room=_room(settings, environment),
        )
        if not settings.ranks.each_serves:
            return (_api(making, tuple(settings.ranks.numbers)),)
        return tuple(_api(making, (number,)) for number in settings.ranks.numbers)
    except capacity.NoRoomError as cause:
        raise BuildError(str(cause)) from cause
    except (OSError, ValueError, KeyError, TypeError, zmq.ZMQError) as cause:
        raise BuildError(f"{type(cause).__name__}: {cause}") from cause


def _room(settings: Settings, environment: Mapping[str, str]) -> capacity.Room | None:
    """What the device leaves. Where a size is stated, that one counts, whatever the device has."""
    try:
        return capacity.room(settings, environment)
    except capacity.NoRoomError:
        if settings.blocks or environment.get("LLMDCTL_ENGINE_BLOCKS"):
            return None
        raise


def _api(making: _Making, numbers: tuple[int, ...]) -> Api:
    page, settings = Page(), making.settings
    ranks = tuple(_rank(making, page, number) for number in numbers)
    for rank in ranks:
        faults.switch(rank.engine.faults, making.wrong)
    return Api(
        settings=settings, ranks=ranks, page=page, environment=making.environment, loaded=dict(settings.adapters)
    )


def _rank(making: _Making, page: Page, number: int) -> Rank:
    settings, environment, tiers = making.settings, making.environment, making.tiers
    publisher = Publisher(settings.kv_events, rank=number, sglang=settings.engine == "sglang")
    seed = environment.get("PYTHONHASHSEED", "random")
    file = environment.get("LLMDCTL_ENGINE_CURVE")
    side_channel = connectors.side_channel(settings, environment, number)
    engine = Engine(
        pool=BlockPool(count=making.blocks, size=settings.block_size, caching=settings.prefix_caching),
        limits=Limits(
            max_num_seqs=capacity.sequences(settings, environment),
            max_num_batched_tokens=settings.max_num_batched_tokens,
            by_priority=settings.by_priority, max_loras=settings.max_loras if settings.lora else 0,
        ),
        curve=curves.load(Path(file)) if file else curves.QUICK,
        recorder=_recorder(making, page, number),
        tier=_tier(making),
        shared=tiers.shared,
        shared_source=tiers.medium or "external_unspecified",
        shared_prefix=f"{settings.model}@{settings.tensor}x{settings.block_size}",
        chunk=max(tiers.chunk // settings.block_size, 1),
        connected=bool(side_channel or tiers.shared or tiers.cpu_bytes is not None),
        # vLLM draws the first hash at random where the seed is not fixed: no other server can name its blocks then.
        seed=secrets.token_hex(8) if seed == "random" else seed,
        publish=publisher.send,
    )  # fmt: skip
    return Rank(number=number, engine=engine, publisher=publisher, side_channel=side_channel, id=secrets.token_hex(16))


def _tier(making: _Making) -> Tier | None:
    """The host's memory behind the cache, where something is configured to use it."""
    if making.tiers.cpu_bytes is None:
        return None
    stated = making.environment.get("LLMDCTL_ENGINE_CPU_BLOCKS")
    held = making.tiers.cpu_bytes // (making.bytes_per_token * making.settings.block_size)
    return Tier(medium="CPU", capacity=(int(stated) if stated else held) or 4 * _BLOCKS)


def _recorder(making: _Making, page: Page, number: int) -> Recorder:
    """/metrics in the engine's own words."""
    settings, blocks = making.settings, making.blocks
    if settings.engine == "sglang":
        return Sglang(
            page, model=settings.names[0], mode=settings.disaggregation, tokens=blocks * settings.block_size,
            page_size=settings.block_size, max_running=settings.max_num_seqs, context=settings.max_model_len,
            rank=str(number) if settings.ranks.size > 1 else "", bytes_per_token=making.bytes_per_token,
        )  # fmt: skip
    return Vllm(
        page, model=settings.names[0], max_model_len=settings.max_model_len, cache=cache_config(settings, blocks),
        engine=str(number), max_loras=settings.max_loras if settings.lora else 0,
        bytes_per_token=making.bytes_per_token, connectors=making.tiers.names,
    )  # fmt: skip


def cache_config(settings: Settings, blocks: int) -> dict[str, str]:
    """The labels of vllm:cache_config_info that others read."""
    tokens = blocks * settings.block_size
    return {
        "block_size": str(settings.block_size),
        "cache_dtype": str(settings.stated.get("kv_cache_dtype", "auto")),
        "enable_prefix_caching": str(settings.prefix_caching),
        "gpu_memory_utilization": str(settings.stated.get("gpu_memory_utilization", 0.92)),
        "kv_cache_max_concurrency": f"{tokens / settings.max_model_len:g}",
        "kv_cache_size_tokens": str(tokens),
        "num_cpu_blocks": "None",
        "num_gpu_blocks": str(blocks),
        "num_gpu_blocks_override": str(settings.blocks),
        "prefix_caching_hash_algo": str(settings.stated.get("prefix_caching_hash_algo", "sha256")),
        "sliding_window": "None",
    }
