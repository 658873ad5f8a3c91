"""The pages of checks are as the checks are, and name no section that there is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from llmdctl.model.sections import NAMES
from llmdctl.preflight import CHECKS

ROOT = Path(__file__).resolve().parents[3]


def test_pages_are_as_the_checks_are() -> None:
    script = ROOT / "tools" / "check_pages.py"
    done = subprocess.run([sys.executable, str(script), "--check"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"run make update: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("code", sorted(CHECKS))
def test_a_check_can_be_read(code: str) -> None:
    check = CHECKS[code]
    assert set(check.needs) <= set(NAMES)
    assert check.why.endswith(".") and check.remedy.endswith((".", "`")), "sentences"
    assert not check.title.endswith(".")
    assert check.title.isascii() and check.why.isascii() and check.remedy.isascii()
