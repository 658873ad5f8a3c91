"""The endpoint picker that judges: 0.7.1 as pinned, or any other by LLMDCTL_EPP=<binary>."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmdctl import programs
from llmdctl.sandbox.images import dialect_of
from tests.e2e.epp.picker import Picker


@pytest.fixture(scope="session")
def picker(plane) -> Picker:
    given = os.environ.get("LLMDCTL_EPP")
    program = Path(given) if given else programs.find("epp07").path
    version = os.environ.get("LLMDCTL_EPP_VERSION") or dialect_of(program)
    return Picker(program=program, version=version, kubeconfig=plane.kubeconfig)
