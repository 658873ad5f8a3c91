from __future__ import annotations

import pytest


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of programs that begins empty."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("LLMDCTL_CACHE", str(folder))
    return folder


@pytest.fixture
def picker(tmp_path, monkeypatch):
    """`picker(flags)`: a program that prints these flags, given by LLMDCTL_EPP."""

    def given(flags: str):
        script = tmp_path / "epp"
        script.write_text(f"#!/bin/sh\nif [ \"$1\" = --help ]; then echo '{flags}' >&2; fi\nexit 2\n")
        script.chmod(0o755)
        monkeypatch.setenv("LLMDCTL_EPP", str(script))
        return script

    return given
