from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.alone import whole_nodes
from tests.e2e.recipes.commands import Commands


@pytest.fixture(scope="session")
def llmdctl(plane) -> Commands:
    return Commands(kubeconfig=str(plane.kubeconfig))


@pytest.fixture(scope="module")
def whole_h200_nodes(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[None]:
    """Nobody spreads pods over the nodes with H200 meanwhile."""
    with whole_nodes(tmp_path_factory, worker_id):
        yield
