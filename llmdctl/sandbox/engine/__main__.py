"""`vllm serve ...` or `sglang serve ...`, simulated: the words after `python -m llmdctl.sandbox.engine`."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import uvicorn

from llmdctl.sandbox.engine import curve as curves
from llmdctl.sandbox.engine.api import Api
from llmdctl.sandbox.engine.arguments import Settings, sglang_settings, vllm_settings
from llmdctl.sandbox.engine.batching import Limits
from llmdctl.sandbox.engine.blocks import BlockPool, Tier
from llmdctl.sandbox.engine.events import Publisher
from llmdctl.sandbox.engine.metrics import Recorder, Vllm
from llmdctl.sandbox.engine.metrics_sglang import Sglang
from llmdctl.sandbox.engine.running import Engine

_DATA: Final = Path(__file__).resolve().parents[2] / "lint" / "data"
_BLOCKS: Final = 4096  # of a cache whose size nobody states
_LONGEST: Final = 32_768  # tokens, of a model that is not known


def main(words: Sequence[str] | None = None) -> None:
    """Serve until a signal; a mistake in the arguments ends the process as the real engine's parser would."""
    settings = read(list(sys.argv[1:] if words is None else words))
    api = build(settings, os.environ)
    config = uvicorn.Config(api.app(), host=settings.host, port=settings.port, log_level="info", access_log=False)
    server = uvicorn.Server(config)

    def drain(*_: object) -> None:
        api.engine.draining = True  # what runs is finished, nothing new begins
        server.should_exit = True

    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    signal.signal(signal.SIGTERM, drain)
    signal.signal(signal.SIGINT, drain)
    server.run()


def read(words: list[str]) -> Settings:
    """Settings of a command line: `serve ...` and `vllm serve ...` are vLLM's, anything of sglang is SGLang's."""
    longest = int(os.environ.get("LLMDCTL_ENGINE_MAX_MODEL_LEN", _LONGEST))
    if words[:1] == ["vllm"]:
        words = words[1:]
    if words[:1] == ["serve"]:
        return vllm_settings(words[1:], _DATA / "vllm-0.32.0.json", model_max_len=longest)
    if words[:2] == ["sglang", "serve"]:
        words = words[2:]
    elif words[:1] in (["sglang.launch_server"], ["sglang"]):
        words = words[1:]
    return sglang_settings(words, _DATA / "sglang-0.5.23.json", model_max_len=longest)


def build(settings: Settings, environment: Mapping[str, str]) -> Api:
    """The engine and its HTTP side."""
    blocks = settings.blocks or int(environment.get("LLMDCTL_ENGINE_BLOCKS", _BLOCKS))
    file = environment.get("LLMDCTL_ENGINE_CURVE")
    publisher = Publisher(settings.kv_events)
    engine = Engine(
        pool=BlockPool(count=blocks, size=settings.block_size, caching=settings.prefix_caching),
        limits=Limits(
            max_num_seqs=settings.max_num_seqs,
            max_num_batched_tokens=settings.max_num_batched_tokens,
            by_priority=settings.by_priority,
        ),
        curve=curves.load(Path(file)) if file else curves.QUICK,
        recorder=recorder(settings, blocks),
        tier=_tier(settings, environment),
        publish=publisher.send,
    )
    return Api(
        settings=settings,
        engine=engine,
        publisher=publisher,
        side_channel=_side_channel(settings, environment),
        engine_id=secrets.token_hex(16),
        loaded=dict(settings.adapters),
    )


def recorder(settings: Settings, blocks: int) -> Recorder:
    """/metrics in the engine's own words."""
    if settings.engine == "sglang":
        return Sglang(
            model=settings.names[0], mode=settings.disaggregation, tokens=blocks * settings.block_size,
            page_size=settings.block_size, max_running=settings.max_num_seqs, context=settings.max_model_len,
        )  # fmt: skip
    return Vllm(model=settings.names[0], max_model_len=settings.max_model_len, cache=cache_config(settings, blocks))


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


def connectors(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The connectors of a --kv-transfer-config, those inside a MultiConnector each by itself."""
    inner = (config.get("kv_connector_extra_config") or {}).get("connectors")
    if config.get("kv_connector") == "MultiConnector" and isinstance(inner, list):
        return [found for each in inner for found in connectors(each)]
    return [config] if config else []


def _tier(settings: Settings, environment: Mapping[str, str]) -> Tier | None:
    """CPU memory behind the cache, where an offloading connector is configured."""
    names = {str(each.get("kv_connector")) for each in connectors(settings.kv_transfer)}
    offloads = names & {"OffloadingConnector", "SimpleCPUOffloadConnector", "LMCacheConnectorV1"}
    if not offloads and not settings.stated.get("kv_offloading_size"):
        return None
    return Tier(medium="CPU", capacity=int(environment.get("LLMDCTL_ENGINE_CPU_BLOCKS", _BLOCKS * 4)))


def _side_channel(settings: Settings, environment: Mapping[str, str]) -> tuple[str, int] | None:
    names = {str(each.get("kv_connector")) for each in connectors(settings.kv_transfer)}
    if any("Nixl" in name for name in names):
        host = environment.get("VLLM_NIXL_SIDE_CHANNEL_HOST", "127.0.0.1")
        return host, int(environment.get("VLLM_NIXL_SIDE_CHANNEL_PORT", "5600"))
    if settings.disaggregation == "prefill":
        return environment.get("POD_IP", settings.host), settings.bootstrap_port
    return None


if __name__ == "__main__":
    main()
