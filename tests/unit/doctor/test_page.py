"""The page of faults and verdicts is what the cases give, and nothing that is known to go wrong lacks a case."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.unit.doctor import scenes
from tests.unit.release import scalers
from tests.unit.verify import cases as proofs

ROOT = Path(__file__).resolve().parents[3]
KNOWN = yaml.safe_load((ROOT / "tests" / "cases" / "faults.yaml").read_text(encoding="utf-8"))
DEFECTS = [f"defect-{number}" for number in range(1, 23)]
PAINS = [f"pain-{number}" for number in (1, 2, 3, 9, 12, 13)]
OF = [
    frozenset(case.data.get("of", ()))
    for case in (*scenes.all_cases(), *proofs.all_cases(), *scalers.all_cases())
]  # fmt: skip


def test_the_page_of_faults_is_up_to_date() -> None:
    script = ROOT / "tools" / "faults.py"
    done = subprocess.run([sys.executable, str(script), "--check"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"run make update\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("name", [*DEFECTS, *PAINS])
def test_what_is_known_to_go_wrong_is_seeded_or_never_runs(name: str) -> None:
    refused = KNOWN["defects"].get(name, {}).get("refused")
    assert any(name in of for of in OF) != bool(refused)


def test_a_case_is_an_instance_of_something_that_is_known() -> None:
    assert frozenset().union(*OF) <= {*DEFECTS, *PAINS}
    assert set(KNOWN["pains"]) == set(PAINS)
    assert set(KNOWN["defects"]) <= set(DEFECTS)
