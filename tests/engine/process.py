"""A simulated engine as a process on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import llmdctl
from tests.ports import free_port


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What it said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Server:
    """One running engine."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ready(self) -> None:
        """Wait until it serves."""
        _await(self)

    def ask(
        self, path: str, body: Any = None, *, method: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request; `body` is sent as JSON, bytes as they are."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data=data, method=method, headers={"Content-Type": "application/json", **(headers or {})}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(status=answer.status, headers=dict(answer.headers), body=answer.read())
        except urllib.error.HTTPError as refused:
            return Answer(status=refused.code, headers=dict(refused.headers), body=refused.read())

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's series that have these labels."""
        total = 0.0
        for line in self.ask("/metrics").body.decode().splitlines():
            series, _, value = line.rpartition(" ")
            family, _, stated = series.partition("{")
            if family == name and all(f'{key}="{wanted}"' in stated for key, wanted in labels.items()):
                total += float(value)
        return total


@cache
def alone() -> str:
    """A folder with the engine as an image has it: its own package and its data, and nothing else of llmdctl."""
    source = Path(llmdctl.__file__).parent
    folder = Path(mkdtemp(prefix="llmdctl-engine-"))
    package = folder / "llmdctl" / "sandbox"
    package.mkdir(parents=True)
    for parent in (package, package.parent):
        (parent / "__init__.py").write_text("")
    (package / "engine").symlink_to(source / "sandbox" / "engine")
    return str(folder)


@contextmanager
def engine(
    *words: str, environment: Mapping[str, str] | None = None, port: int = 0, ready: bool = True
) -> Iterator[Server]:
    """An engine with these arguments, ready; it is ended afterwards."""
    port = port or free_port()
    flags = ("--host", "127.0.0.1", "--port", str(port))
    process = subprocess.Popen(
        [sys.executable, "-m", "llmdctl.sandbox.engine", *words, *flags],
        env={**os.environ, "PYTHONPATH": alone(), **(environment or {})}, cwd="/",
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    server = Server(port=port, process=process)
    try:
        if ready:
            server.ready()
        yield server
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _await(server: Server) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if server.process.poll() is not None:
            assert server.process.stderr is not None
            raise AssertionError(server.process.stderr.read().decode())
        try:
            if server.ask("/health").status in (200, 503):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the engine did not come up")
