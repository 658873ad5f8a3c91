"""Every mistake a user can make has a folder here: the command, its files, its exit code and its message.

`case.yaml` holds `args` (run in a copy of the folder) and `exit`; `message.txt` is what stderr says. Add a folder
to add a test; `pytest --update-golden` writes the message, and a person reads it before committing.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from llmdctl.cli import main
from tests import documents

HERE = Path(__file__).parent / "negative"
SHIPPED = re.compile(
    r"\b(paths/[\w/.-]+\.yaml):\d+"
)  # lines of shipped facets move; lines of the case's own files do not
CASES = sorted(folder.parent for folder in HERE.glob("*/case.yaml"))


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_exit_code_and_message(folder: Path, tmp_path, monkeypatch, capsys, golden) -> None:
    case = documents.load((folder / "case.yaml").read_text())
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    if "make" in case:
        make(tmp_path, case["make"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    code = main([str(word) for word in case["args"]])
    captured = capsys.readouterr()
    assert code == case["exit"], captured.err
    assert "Traceback" not in captured.err + captured.out
    golden(folder / "message.txt", SHIPPED.sub(r"\1:*", captured.err.replace(str(tmp_path), ".")))


def make(folder: Path, files: dict[str, dict[str, object]]) -> None:
    """Files that are too large, too odd or too private to be committed as they are."""
    for name, how in files.items():
        place = folder / name
        if "hex" in how:
            place.write_bytes(bytes.fromhex(str(how["hex"])))
        if "repeat" in how:
            text, times = how["repeat"]
            with place.open("w") as out:
                for _ in range(int(times)):
                    out.write(str(text))
        if "mode" in how:
            place.mkdir(exist_ok=True)
            place.chmod(int(str(how["mode"]), 8))


def test_there_are_cases() -> None:
    assert CASES
    assert os.fspath(HERE)
