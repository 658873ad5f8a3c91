"""Sizes that follow from a model's weights and a node's shape. Each is one formula.

Disk and startup depend on facts alone, so that a `--set` means the same with and without llmdctl; memory follows
the parallelism of a role for which no path states it.
"""

from __future__ import annotations

from typing import Final

GIB: Final = 2**30

DOWNLOAD_BYTES_PER_S: Final = 25_000_000
"""200 Mbit/s: the slowest link to a model hub that an installation is planned for. A 65 GB model then takes about the
3,600 s that llm-d's guides give every model (startup probe of 120 x 30 s)."""

START_S: Final = 600
"""Process start, compilation and capture of CUDA graphs, with a cold compile cache."""

HOST_BASE_BYTES: Final = 16 * GIB
"""Python, CUDA contexts and pinned buffers of one engine pod."""

SHM_BASE_BYTES: Final = 2 * GIB
SHM_BYTES_PER_ACCELERATOR: Final = 8 * GIB
SHM_MOST_BYTES: Final = 64 * GIB
"""/dev/shm as charts/modelserver computes it from `shmBytes: 0`; what is written there counts as the pod's memory."""


def startup_s(download_bytes: int) -> int:
    """Seconds a model server may take to answer: bytes / 25 MB/s + 600, rounded up to five minutes, at least 15.

    Weights from a claim, an image or a directory load faster; a budget that is too long only delays the alarm.
    """
    return max(900, _up(download_bytes / DOWNLOAD_BYTES_PER_S + START_S, 300))


def host_memory_bytes(accelerators: int, *, shm_bytes: int = 0, weight_bytes: int = 0) -> int:
    """Memory that an engine pod asks for: 16 GiB + /dev/shm, and the weights where no accelerator holds them.

    The page cache of the weights is not counted: the kernel takes it back when memory is short.
    """
    shm = shm_bytes or min(SHM_BASE_BYTES + SHM_BYTES_PER_ACCELERATOR * accelerators, SHM_MOST_BYTES)
    return _up(HOST_BASE_BYTES + shm + (0 if accelerators else weight_bytes), GIB)


def _up(number: float, step: int) -> int:
    return -int(-number // step) * step
