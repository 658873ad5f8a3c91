"""Running llmdctl against the session's control plane, in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from llmdctl.cli import main


@dataclass(frozen=True)
class Ran:
    """One command: its exit code and both streams."""

    code: int
    out: str
    err: str

    def document(self) -> dict[str, Any]:
        """stdout as the one JSON document that it must be."""
        return dict(json.loads(self.out))


@dataclass(frozen=True)
class Commands:
    """`llmdctl ...` against one kubeconfig."""

    kubeconfig: str
    capsys: pytest.CaptureFixture[str]

    def run(self, *words: str, expect: int = 0) -> Ran:
        """Run one command that takes a cluster; any other exit code than `expect` fails with what it said."""
        self.capsys.readouterr()
        code = main([*words, "--kubeconfig", self.kubeconfig])
        captured = self.capsys.readouterr()
        assert code == expect, f"llmdctl {' '.join(words)} ended with {code}:\n{captured.err}\n{captured.out}"
        return Ran(code, captured.out, captured.err)
