"""What a command line and its environment say about blocks elsewhere: transfer between servers, tiers, shared stores.

The words are those of the charts' KV tiers: vLLM's OffloadingConnector with TieringOffloadingSpec, LMCache's
environment (https://docs.lmcache.ai/api_reference/configurations.html), MooncakeStoreConnector's file
(https://docs.vllm.ai/en/latest/features/mooncake_store_connector_usage/) and SGLang's hierarchical cache.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from llmdctl.sandbox.engine.arguments import Settings
from llmdctl.sandbox.engine.shared import Folder, Remote, Shared

_GIB: Final = 2**30
_NIXL_PORT: Final = 5600
_LMCACHE_CHUNK: Final = 256  # tokens


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Where blocks are beside the device's memory."""

    cpu_bytes: int | None = None  # of the tier in the host's memory; None: there is none
    shared: Shared | None = None
    medium: str = ""  # how the shared store's blocks count: disk | external_unspecified
    chunk: int = 0  # tokens that are kept and found together; 0: a block
    names: frozenset[str] = frozenset()  # which metrics there are: nixl, offloading, tiering, lmcache, mooncake


def each(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The connectors of a --kv-transfer-config, those inside a MultiConnector each by itself."""
    inner = extra(config).get("connectors")
    if config.get("kv_connector") == "MultiConnector" and isinstance(inner, list):
        return [found for one in inner for found in each(one)]
    return [config] if config else []


def extra(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A connector's own settings."""
    found = config.get("kv_connector_extra_config")
    return found if isinstance(found, Mapping) else {}


def elsewhere(settings: Settings, environment: Mapping[str, str]) -> Elsewhere:
    """Of a whole command line. ValueError or OSError where an address or a file cannot be read."""
    if settings.engine == "sglang":
        return _sglang(settings, environment)
    found = {str(one.get("kv_connector")): one for one in each(settings.kv_transfer)}
    nixl = frozenset({"nixl"}) if any("Nixl" in name for name in found) else frozenset()
    if "LMCacheConnectorV1" in found:
        return _lmcache(environment, nixl)
    if "MooncakeStoreConnector" in found:
        return Elsewhere(shared=_mooncake(environment), medium="external_unspecified", names=nixl | {"mooncake"})
    offloading = found.get("OffloadingConnector") or found.get("SimpleCPUOffloadConnector")
    if offloading is not None:
        return _offloading(extra(offloading), nixl)
    if settings.stated.get("kv_offloading_size"):
        bytes_ = int(float(settings.stated["kv_offloading_size"]) * _GIB)
        return Elsewhere(cpu_bytes=bytes_, names=nixl | {"offloading"})
    return Elsewhere(names=nixl)


def _offloading(own: Mapping[str, Any], nixl: frozenset[str]) -> Elsewhere:
    bytes_ = int(own.get("cpu_bytes_to_use") or 0)
    folders = [tier for tier in own.get("secondary_tiers") or () if tier.get("type") == "fs"]
    if not folders:
        return Elsewhere(cpu_bytes=bytes_, chunk=int(own.get("block_size") or 0), names=nixl | {"offloading"})
    return Elsewhere(
        cpu_bytes=bytes_,
        shared=Folder(root=Path(str(folders[0]["root_dir"]))),
        medium="disk",
        chunk=int(own.get("block_size") or 0),
        names=nixl | {"offloading", "tiering"},
    )


def _lmcache(environment: Mapping[str, str], nixl: frozenset[str]) -> Elsewhere:
    shared: Shared | None = None
    medium = ""
    if url := environment.get("LMCACHE_REMOTE_URL"):
        shared, medium = remote(urlsplit(url).netloc, 6379), "external_unspecified"
    elif place := environment.get("LMCACHE_LOCAL_DISK"):
        shared, medium = Folder(root=Path(urlsplit(place).path)), "disk"
    local = environment.get("LMCACHE_LOCAL_CPU", "True").lower() == "true"
    gib = float(environment.get("LMCACHE_MAX_LOCAL_CPU_SIZE", "5"))
    return Elsewhere(
        cpu_bytes=int(gib * _GIB) if local else None,
        shared=shared,
        medium=medium,
        chunk=int(environment.get("LMCACHE_CHUNK_SIZE", _LMCACHE_CHUNK)),
        names=nixl | {"lmcache"},
    )


def _mooncake(environment: Mapping[str, str]) -> Remote:
    file = environment.get("MOONCAKE_CONFIG_PATH")
    if not file:
        raise ValueError("MooncakeStoreConnector reads the file that MOONCAKE_CONFIG_PATH names")
    return remote(str(json.loads(Path(file).read_text(encoding="utf-8"))["master_server_address"]), 50_051)


def _sglang(settings: Settings, environment: Mapping[str, str]) -> Elsewhere:
    if not settings.stated.get("enable_hierarchical_cache"):
        return Elsewhere()
    shared: Shared | None = None
    if settings.stated.get("hicache_storage_backend") == "mooncake":
        shared = remote(environment.get("MOONCAKE_MASTER", ""), 50_051)
    elif settings.stated.get("hicache_storage_backend") == "file":
        shared = Folder(root=Path(environment.get("SGLANG_HICACHE_FILE_BACKEND_STORAGE_DIR", "/tmp/hicache")))
    bytes_ = int(settings.stated.get("hicache_size") or 0) * 10**9
    return Elsewhere(cpu_bytes=bytes_, shared=shared, medium="external_unspecified")


def remote(address: str, port: int) -> Remote:
    """HOST or HOST:PORT, with a scheme or without."""
    place = urlsplit(address if "//" in address else f"//{address}")
    if not place.hostname:
        raise ValueError(f"the address of the shared store is {address!r}")
    return Remote(host=place.hostname, port=place.port or port)


def side_channel(settings: Settings, environment: Mapping[str, str], rank: int) -> tuple[str, int] | None:
    """Where other servers fetch this rank's blocks: host and port. vLLM adds the rank to the port, SGLang does not."""
    if any("Nixl" in str(one.get("kv_connector")) for one in each(settings.kv_transfer)):
        host = environment.get("VLLM_NIXL_SIDE_CHANNEL_HOST", "127.0.0.1")
        return host, int(environment.get("VLLM_NIXL_SIDE_CHANNEL_PORT", _NIXL_PORT)) + rank
    if settings.disaggregation == "prefill":
        return environment.get("POD_IP", settings.host), settings.bootstrap_port
    return None
