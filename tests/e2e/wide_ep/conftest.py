from __future__ import annotations

import pytest

from tests.e2e.recipes.commands import Commands


@pytest.fixture
def llmdctl(plane, capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(kubeconfig=str(plane.kubeconfig), capsys=capsys)
