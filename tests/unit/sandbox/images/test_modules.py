"""Bytecode is made once, the same each time, and loads without a look at its source."""

from __future__ import annotations

import marshal
import os
import sys

import pytest

from llmdctl.errors import ProgramError
from llmdctl.sandbox.images.items import File
from llmdctl.sandbox.images.modules import compiled

SOURCE = b"WORDS = {'a', 'b', 'c', 'd'}\n\ndef found(word):\n    return word in {'x', 'y', 'z', 'w'} or word in WORDS\n"
NAME = f"opt/site/thing.{sys.implementation.cache_tag}.pyc".replace("site/", "site/__pycache__/")


def contents(items) -> dict[str, bytes]:
    return {item.path: item.content.read_bytes() for item in items if isinstance(item, File)}


def test_two_machines_make_the_same(tmp_path, monkeypatch):
    made = []
    for name in ("one", "two"):
        monkeypatch.setenv("LLMDCTL_CACHE", str(tmp_path / name))
        source = tmp_path / f"{name}.py"
        source.write_bytes(SOURCE)
        os.utime(source, (len(made), len(made)))
        made.append(contents(compiled("x", {"opt/site/thing.py": source, "opt/site/data.json": b"{}"})))
    assert made[0] == made[1]
    assert sorted(made[0]) == sorted(["opt/site/thing.py", "opt/site/data.json", NAME])


def test_bytecode_is_not_checked_and_knows_its_place_in_the_image(cache):
    data = contents(compiled("x", {"opt/site/thing.py": SOURCE}))[NAME]
    assert int.from_bytes(data[4:8], "little") == 0b01  # PEP 552: hash-based, not checked
    assert marshal.loads(data[16:]).co_filename == "/opt/site/thing.py"


def test_a_second_time_compiles_nothing(cache):
    said: list[str] = []
    for _ in range(2):
        compiled("x", {"a.py": b"A = 1\n"}, report=said.append)
    assert len(said) == 1


def test_a_mistake_is_shown_and_nothing_stays(cache):
    with pytest.raises(ProgramError, match="SyntaxError"):
        compiled("x", {"a.py": b"A = = 1\n"})
    assert list((cache / "entries").iterdir()) == []
