"""The page of faults and verdicts is what the cases give."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_of_faults_is_up_to_date() -> None:
    script = ROOT / "tools" / "faults.py"
    done = subprocess.run([sys.executable, str(script), "--check"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"run make update\n{done.stdout}{done.stderr}"
