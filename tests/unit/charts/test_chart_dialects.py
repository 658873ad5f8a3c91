"""The versions of the endpoint picker: one table each, of one shape, and the page that is made from them."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

from tests import documents
from tests.unit.charts.cases import CHARTS

ROOT = CHARTS.parent
FILES = sorted((CHARTS / "scheduler" / "dialects").glob("*.yaml"))
DIALECTS: dict[str, dict[str, Any]] = {file.stem: documents.load(file.read_text(encoding="utf-8")) for file in FILES}


def shape(value: object) -> object:
    return {key: shape(inner) for key, inner in value.items()} if isinstance(value, dict) else type(value)


def test_the_page_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "tools" / "scheduler_versions.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run make update: {done.stdout}{done.stderr}"


def test_versions_are_those_of_the_schema_and_of_the_chart() -> None:
    block = (ROOT / "tools" / "charts" / "global.yaml").read_text(encoding="utf-8")
    (listed,) = re.findall(r"# @schema \{enum: (\[.*\])\}\n    eppVersion", block)
    template = (CHARTS / "scheduler" / "templates" / "_dialect.tpl").read_text(encoding="utf-8")
    (known,) = re.findall(r'define "llmd-scheduler.versions" -\}\}(\[.*\])', template)
    assert sorted(documents.load(listed)) == sorted(documents.load(known)) == sorted(DIALECTS)


@pytest.mark.parametrize("version", DIALECTS)
def test_every_version_answers_every_question(version: str) -> None:
    mine, other = DIALECTS[version], DIALECTS["0.9"]
    assert set(mine) == set(other)
    for table in ("config", "objectives", "prefixCache", "features"):
        assert shape(mine[table]) == shape(other[table]), table


@pytest.mark.parametrize("version", DIALECTS)
def test_what_entries_refer_to_is_there(version: str) -> None:
    dialect = DIALECTS[version]
    for name, entry in (*dialect["scorers"].items(), *dialect["filters"].items()):
        assert set(entry) <= {"type", "name", "parameters", "rename", "rank", "needs", "predicts"}, name
        assert set(entry.get("rename", {})) <= set(entry["parameters"]), name
    types = [entry.get("name", entry["type"]) for entry in dialect["filters"].values()]
    assert len(types) == len(set(types)), "two filters would have one name in the file"
    assert all(0 <= entry["rank"] <= 5 for entry in dialect["filters"].values())
    assert all(0 <= entry.get("rank", 0) <= 1 for entry in dialect["scorers"].values())
    assert bool(dialect["alpha"]) == bool(dialect["experimentalFlag"])
    assert dialect["experimentalFlag"] not in dialect["flags"], "the chart sets it"
