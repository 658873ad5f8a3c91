"""Disk that the files of a model take."""

from __future__ import annotations

from typing import Final

from llmdctl.memory.budget import GIB

CACHE_SHARE: Final = 1.1
"""Of a download, for metadata and files that lie twice while they are moved into place."""


def cache_bytes(download_bytes: int) -> int:
    """Disk for the download: 1.1 x its bytes, in whole GiB. The chart uses it only where something is downloaded."""
    return -int(-download_bytes * CACHE_SHARE // GIB) * GIB
