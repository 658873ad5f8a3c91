"""Manifests that are right: `llmdctl lint` finds nothing at all in them, and nothing in any of our own cells."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmdctl.cli import main
from llmdctl.lint import lint, read

FOLDERS = sorted((Path(__file__).parent / "lint-right").iterdir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_nothing_is_found(folder: Path, capsys) -> None:
    code = main(["lint", "--strict", str(folder / "all.yaml")])
    captured = capsys.readouterr()
    assert code == 0, captured.out
    assert captured.out.endswith("objects: nothing found.\n")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_rules_do_look_at_them(folder: Path) -> None:
    """The same text with its engine flags misspelt is not right: the engines in it are recognised."""
    text = (folder / "all.yaml").read_text(encoding="utf-8")
    broken = text.replace("Qwen/Qwen3-32B", "Qwen/Qwen3-32B --no-such-flag=1", 1)
    marked = text.replace("args:\n", "args:\n            - --no-such-flag=1\n")
    found = {finding.code for kind in (broken, marked) for finding in lint(read(kind, "all.yaml").manifests).findings}
    assert "LD1701" in found
