from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.alone import with_h200
from tests.e2e.recipes.commands import Commands


@pytest.fixture(scope="session")
def llmdctl(plane) -> Commands:
    return Commands(kubeconfig=str(plane.kubeconfig))


@pytest.fixture(scope="module")
def h200_alone(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[None]:
    """No other test fills the nodes with H200 meanwhile."""
    with with_h200(tmp_path_factory, worker_id):
        yield
