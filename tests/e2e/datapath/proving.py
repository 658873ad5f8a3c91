"""What `llmdctl verify` says of a release, as its JSON report has it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_LIMIT_S = 120


def proofs(release: str, namespace: str, *words: str, kubeconfig: Path) -> Mapping[str, Mapping[str, Any]]:
    """Code -> proof, whatever the outcomes are."""
    command = [sys.executable, "-m", "llmdctl", "verify", release, "-n", namespace, *words, "-o", "json"]
    done = subprocess.run(
        [*command, "--kubeconfig", str(kubeconfig)], capture_output=True, text=True, timeout=_LIMIT_S, check=False
    )
    assert done.returncode in (0, 9), done.stderr
    return {proof["code"]: proof for proof in json.loads(done.stdout)["proofs"]}
