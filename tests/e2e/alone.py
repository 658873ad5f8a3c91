"""Taking turns with the plane's H200 nodes, where both would not find room at once.

The scheduler spreads small pods over all eight nodes, and a pod with eight accelerators then finds none that is whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from filelock import FileLock

from tests.e2e.conftest import shared_folder

SPREADING = ("test_lifecycle", "test_plain_install")
"""Files whose pods are spread over these nodes; beside each other they find room."""


def spreading(tmp_path_factory: pytest.TempPathFactory, worker: str, file: str) -> FileLock:
    """Held by a test of one of these files while its pods are on the nodes."""
    assert file in SPREADING
    return FileLock(shared_folder(tmp_path_factory, worker) / f"h200-{file}-lock")


@contextmanager
def whole_nodes(tmp_path_factory: pytest.TempPathFactory, worker: str) -> Iterator[None]:
    """While none of them has pods there."""
    with ExitStack() as locks:
        for file in SPREADING:
            locks.enter_context(spreading(tmp_path_factory, worker, file))
        yield
