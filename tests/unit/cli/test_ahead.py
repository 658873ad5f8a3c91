"""Modules that are read before they are needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmdctl.cli.ahead import read_ahead


def test_modules_are_read_one_after_the_other_and_an_error_is_left_to_who_needs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, text in (("ahead_one", ""), ("ahead_broken", "raise ImportError('not here')"), ("ahead_two", "")):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    read_ahead("ahead_one", "ahead_broken", "ahead_two").join()
    assert {"ahead_one", "ahead_two"} <= set(sys.modules)
    with pytest.raises(ImportError, match="not here"):
        __import__("ahead_broken")


LEAVES = """
import sys
sys.path.insert(0, sys.argv[1])
from llmdctl.cli.ahead import read_ahead
read_ahead("ahead_first", "ahead_second")
open(sys.argv[2]).read()  # the first is being read
"""
FIRST = """
import sys, threading
open(sys.argv[2], "w").write("begun")
threading.main_thread().join()
print("first read")
"""


def test_who_leaves_waits_for_no_module_that_is_not_being_read(tmp_path: Path):
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    (tmp_path / "ahead_first.py").write_text(FIRST)
    (tmp_path / "ahead_second.py").write_text("print('second read')")
    line = [sys.executable, "-c", LEAVES, str(tmp_path), str(begun)]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    assert done.stdout == "first read\n"
