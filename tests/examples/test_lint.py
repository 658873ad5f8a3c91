"""Every mistake that `llmdctl lint` must find in a manifest has a folder here: the manifests and what it says.

`case.yaml` holds `args` (run in a copy of the folder) and `exit`; `message.txt` is what stdout says. Add a folder to
add a test; `pytest --update-golden` writes the message, and a person reads it before committing.

`defects.yaml` lists the mistakes of public recipes and the self-checks of a recipe, each with its examples.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from llmdctl.cli import main
from tests import documents

EXAMPLES = Path(__file__).parent
CASES = sorted(folder.parent for folder in (EXAMPLES / "lint").glob("*/case.yaml"))
TABLE = documents.load((EXAMPLES / "defects.yaml").read_text(encoding="utf-8"))
ENTRIES = {**TABLE["defects"], **TABLE["self_checks"]}


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_findings(folder: Path, tmp_path, monkeypatch, capsys, golden) -> None:
    case = documents.load((folder / "case.yaml").read_text(encoding="utf-8"))
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    code = main([str(word) for word in case["args"]])
    captured = capsys.readouterr()
    assert code == case["exit"], captured.out + captured.err
    assert "Traceback" not in captured.err + captured.out
    assert case["finds"]
    assert set(case["finds"]) <= set(re.findall(r"LD\d+", captured.out)), captured.out
    golden(folder / "message.txt", captured.out)


def test_every_defect_and_every_self_check_has_an_entry() -> None:
    assert set(TABLE["defects"]) == {f"defect-{number}" for number in range(1, 23)}
    assert set(TABLE["self_checks"]) == {f"LD{number}" for number in range(1601, 1614)}


@pytest.mark.parametrize("name", ENTRIES)
def test_every_entry_has_an_example_that_is_there_or_a_reason(name: str) -> None:
    entry = ENTRIES[name]
    assert entry["what"]
    assert entry.get("examples"), f"{name} has no example"
    for example in entry["examples"]:
        assert (EXAMPLES / example / "case.yaml").is_file(), example
    for part in entry.get("not_expressed", ()):
        assert part["part"]
        assert part["why"]
