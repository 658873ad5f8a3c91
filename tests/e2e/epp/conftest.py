"""The endpoint picker that judges: 0.7.1 as pinned, or any other by LLMDCTL_EPP=<binary>."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmdctl import programs
from llmdctl.sandbox.images import dialect_of
from tests.e2e.epp.picker import Picker
from tests.ports import free_port


@pytest.fixture(scope="session")
def picker(plane) -> Iterator[Picker]:
    given = os.environ.get("LLMDCTL_EPP")
    program = Path(given) if given else programs.find("epp07").path
    version = os.environ.get("LLMDCTL_EPP_VERSION") or dialect_of(program)
    with tempfile.TemporaryDirectory() as folder:  # below /tmp: the path of a socket has at most 107 characters
        judge = Picker(program=program, version=version, kubeconfig=plane.kubeconfig, tokens=Path(folder))
        if version != "0.7":
            yield judge
            return
        command = [sys.executable, "-m", "llmdctl.sandbox.engine", "uds-tokenizer", str(judge.socket)]
        environment = {**os.environ, "PROBE_PORT": str(free_port())}
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as tokenizer:
            until = time.monotonic() + 30
            while not judge.socket.exists() and tokenizer.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
            yield judge
            tokenizer.terminate()
