"""The file by which values reach the helm program."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmdctl.helm import parse_manifests
from llmdctl.helm.values_file import values_file


def test_only_this_user_can_read_it_and_it_is_gone_afterwards():
    with values_file({"token": "x"}) as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert path.stat().st_uid == os.getuid()
    assert not path.parent.exists()


def test_it_is_gone_after_an_error_too():
    kept: list[Path] = []
    with pytest.raises(KeyboardInterrupt), values_file({"a": 1}) as path:
        kept.append(path)
        raise KeyboardInterrupt
    assert not kept[0].exists()


def test_not_a_number_is_refused():
    with pytest.raises(ValueError, match="JSON"), values_file({"a": float("nan")}):
        pass


@given(text=st.text(st.characters(codec="utf-8")))
def test_every_text_reads_back_as_it_was(text: str):
    with values_file({"value": text}) as path:
        (read,) = parse_manifests(path.read_text(encoding="utf-8"))
    assert read == {"value": text}
