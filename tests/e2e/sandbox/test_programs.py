"""The programs that are really used say the versions that we pin."""

from __future__ import annotations

import pytest

from llmdctl.programs import CATALOG, Origin, find
from llmdctl.programs.sources import read_version

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("name", [name for name, program in CATALOG.items() if program.version_args])
def test_a_program_says_its_version(name):
    found = find(name, report=print)
    said = read_version(CATALOG[name], found.path)
    assert str(said) == found.version
    if found.origin is not Origin.PATH:
        assert found.version == CATALOG[name].version
