"""The registry: codes are unique, say why they matter, and stand in the guide and in an example."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from llmdctl.lint import CODES
from llmdctl.lint.rules import RULES

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "tests" / "examples" / "lint"


def test_no_two_rules_share_a_code() -> None:
    stated = [code for rule in RULES for code in rule.CODES]
    assert len(stated) == len(set(stated))


@pytest.mark.parametrize("code", CODES)
def test_a_code_has_a_title_and_a_reason(code: str) -> None:
    rule = CODES[code]
    assert re.fullmatch(r"LD1[6-9]\d\d", code)
    assert rule.code == code
    assert rule.title
    assert not rule.title.endswith(".")
    assert rule.doc


@pytest.mark.parametrize("code", [code for code in CODES if re.match(r"LD1[679]", code)])
def test_a_code_has_an_example_that_finds_it(code: str) -> None:
    assert any(code in message.read_text(encoding="utf-8") for message in EXAMPLES.glob("*/message.txt"))


def test_the_guide_lists_the_rules_as_they_are() -> None:
    script = ROOT / "tools" / "lint_rules.py"
    done = subprocess.run([sys.executable, str(script), "--check"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"run make update: {done.stdout}{done.stderr}"
