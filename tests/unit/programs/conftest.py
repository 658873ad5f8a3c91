"""A `go` that only pretends, at the door to the real one: it writes a script where a program should go."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

_GO = """#!/bin/sh
case "$1" in
env) printf '%s\\nlinux\\namd64\\n' "${FAKE_GO_VERSION:-go1.99.0}" ;;
build)
  echo build >> "$FAKE_GO_CALLS"
  [ -z "$FAKE_GO_GATE" ] || read _ < "$FAKE_GO_GATE"
  if [ -n "$FAKE_GO_FAILS" ]; then echo "pkg/x.go:1: undefined: y"; exit 1; fi
  while [ "$1" != -o ]; do shift; done
  printf '#!/bin/sh\\necho v4.3.1\\n' > "$2" && chmod +x "$2" ;;
mod) cat "$FAKE_GO_MODULE" ;;
esac
"""


@dataclass
class FakeGo:
    folder: Path
    calls: Path

    def builds(self) -> int:
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0


def executable(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("LLMDCTL_CACHE", str(folder))
    return folder


@pytest.fixture
def bare_path(tmp_path, monkeypatch) -> Path:
    """A PATH with the shell and nothing of ours; returns the folder in front, for programs of the test."""
    folder = tmp_path / "bin"
    folder.mkdir()
    system = tmp_path / "system"
    system.mkdir()
    for tool in ("sh", "cat", "chmod", "env"):
        found = next(Path(part) / tool for part in os.defpath.split(":") if part and (Path(part) / tool).exists())
        (system / tool).symlink_to(found)
    monkeypatch.setenv("PATH", f"{folder}:{system}")
    for name in list(os.environ):
        if name.startswith("LLMDCTL_") and name != "LLMDCTL_CACHE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("LLMDCTL_TOOLS", "build")
    return folder


@pytest.fixture
def go(bare_path, tmp_path, monkeypatch) -> FakeGo:
    calls = tmp_path / "go-calls"
    monkeypatch.setenv("FAKE_GO_CALLS", str(calls))
    executable(bare_path / "go", _GO)
    return FakeGo(folder=bare_path, calls=calls)
