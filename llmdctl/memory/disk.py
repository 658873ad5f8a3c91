"""The files of a model: the disk that they take, and the time in which they are read."""

from __future__ import annotations

from typing import Final

from llmdctl.memory.budget import GIB

CACHE_SHARE: Final = 1.1
"""Of a download, for metadata and files that lie twice while they are moved into place."""


def cache_bytes(download_bytes: int) -> int:
    """Disk for the download: 1.1 x its bytes, in whole GiB. The chart uses it only where something is downloaded."""
    return -int(-download_bytes * CACHE_SHARE // GIB) * GIB


READ_BYTES_PER_S: Final = 1_000_000_000
"""A fast network disk or object store; a local NVMe disk reads several times that."""

LEAST_START_S: Final = 120
"""Below this no model of some size is up: vLLM alone takes 30 to 60 s to import, profile and capture graphs."""


def least_start_s(weight_bytes: float) -> float:
    """Seconds below which no model server of these weights is ready: max(120, bytes / 1 GB/s)."""
    return max(LEAST_START_S, weight_bytes / READ_BYTES_PER_S)
