"""The helm-unittest suites of every chart, and the generated parts of the charts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from llmdctl import programs
from tests.unit.charts.cases import CHARTS

SUITES = sorted(path.parent.name for path in CHARTS.glob("*/tests"))
ROOT = CHARTS.parent


@pytest.mark.programs
@pytest.mark.parametrize("chart", SUITES)
def test_helm_unittest(chart) -> None:
    """Subcharts have their own turn, so the umbrella runs its own suites only. A new snapshot would pass unread."""
    program = programs.find("helm-unittest").path
    command = [str(program), "--strict", "--with-subchart=false", "-f", "tests/*_test.yaml", str(CHARTS / chart)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout[-8000:] + finished.stderr[-2000:]
    assert not list((CHARTS / chart / "tests").glob("**/*.snap"))


@pytest.mark.parametrize("generator", ["schema.py", "readme.py"])
def test_generated_parts_are_up_to_date(generator) -> None:
    command = [sys.executable, str(ROOT / "tools" / "charts" / generator), "--check"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
