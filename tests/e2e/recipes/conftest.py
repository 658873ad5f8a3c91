from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.alone import spreading
from tests.e2e.recipes.commands import Commands


@pytest.fixture(scope="session")
def llmdctl(plane) -> Commands:
    return Commands(kubeconfig=str(plane.kubeconfig))


@pytest.fixture
def spreads_over_h200(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[None]:
    """Nobody wants whole nodes with H200 meanwhile."""
    with spreading(tmp_path_factory, worker_id, request.path.stem):
        yield
