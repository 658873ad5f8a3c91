"""Taking turns with the plane's H200 nodes, where both would not find room at once.

The scheduler spreads small pods over all eight nodes, and a pod with eight accelerators then finds none that is whole.
"""

from __future__ import annotations

import pytest
from filelock import FileLock

from tests.e2e.conftest import shared_folder


def with_h200(tmp_path_factory: pytest.TempPathFactory, worker: str) -> FileLock:
    """Held by who fills these nodes, in all workers of the session."""
    return FileLock(shared_folder(tmp_path_factory, worker) / "h200-lock")
