"""Running llmdctl against the session's control plane, in this process."""

from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

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

    def run(self, *words: str, expect: int = 0) -> Ran:
        """Run one command that takes a cluster; any other exit code than `expect` fails with what it said."""
        with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
            code = main([*words, "--kubeconfig", self.kubeconfig])
        ran = Ran(code, out.getvalue(), err.getvalue())
        assert code == expect, f"llmdctl {' '.join(words)} ended with {code}:\n{ran.err}\n{ran.out}"
        return ran
