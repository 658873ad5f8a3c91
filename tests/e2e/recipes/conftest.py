from __future__ import annotations

import pytest

from tests.e2e.recipes.commands import Commands


@pytest.fixture(scope="session")
def llmdctl(plane) -> Commands:
    return Commands(kubeconfig=str(plane.kubeconfig))
