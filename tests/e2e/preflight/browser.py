"""A headless Chromium: the machine's own, or the one of its package archive, unpacked into the cache.

It is started once and opens one page after another, each alone, as the DevTools protocol has it (domains Target, Page,
Emulation and Runtime: https://chromedevtools.github.io/devtools-protocol/).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import websocket

from llmdctl.errors import ProgramError
from llmdctl.programs import debian
from tests.e2e.sandbox.objects import wait

ON_PATH = ("chromium", "chromium-browser", "google-chrome", "chrome-headless-shell")
LIMIT_S = 120.0
SCRIPTS_MS = 3000  # of the page's own clock, which goes on at once when there is nothing to do


@dataclass
class Browser:
    """A Chromium that runs."""

    socket: websocket.WebSocket
    calls: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)  # of the page that is open

    def dom(self, page: Path, fragment: str = "") -> str:
        """The document after its script ran."""
        with self._opened(f"{page.as_uri()}{fragment}") as session:
            return self._read("document.documentElement.outerHTML", session)

    def picture(self, page: Path) -> bytes:
        """What a person would see, as PNG."""
        with self._opened(page.as_uri()) as session:
            size = {"width": 1200, "height": 1600, "deviceScaleFactor": 1, "mobile": False}
            self._call("Emulation.setDeviceMetricsOverride", session, **size)
            return base64.b64decode(self._call("Page.captureScreenshot", session)["data"])

    @contextmanager
    def _opened(self, address: str) -> Iterator[str]:
        """A page of its own, loaded and with its scripts run."""
        self.events.clear()
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        session = str(self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        self._call("Page.enable", session)
        going = self._call("Page.navigate", session, url=address)
        assert "errorText" not in going, going
        self._until("Page.loadEventFired")
        self._call("Emulation.setVirtualTimePolicy", session, policy="advance", budget=SCRIPTS_MS)
        self._until("Emulation.virtualTimeBudgetExpired")
        assert self._read("location.href", session) == address
        yield session
        self._call("Target.closeTarget", targetId=target)

    def _read(self, expression: str, session: str) -> str:
        return str(self._call("Runtime.evaluate", session, expression=expression)["result"]["value"])

    def _call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        self.calls += 1
        asked = {"id": self.calls, "method": method, "params": parameters}
        self.socket.send(json.dumps(asked | ({"sessionId": session} if session else {})))
        while (said := self._said()).get("id") != self.calls:
            pass
        assert "error" not in said, f"{method}: {said['error']}"
        return dict(said["result"])

    def _until(self, event: str) -> None:
        while all(each["method"] != event for each in self.events):
            self._said()

    def _said(self) -> dict[str, Any]:
        """The next message; an event is noted."""
        said = dict(json.loads(self.socket.recv()))
        if "method" in said:
            self.events.append(said)
        return said


@dataclass(frozen=True)
class Program:
    """A Chromium with the environment that it needs."""

    path: Path
    environment: Mapping[str, str]

    @contextmanager
    def running(self, profile: Path) -> Iterator[Browser]:
        """The browser, as long as the context lasts; its first page may take a minute on a busy machine."""
        # No network: a page that asks for anything fails to get it.
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0",
                 "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}", "about:blank")  # fmt: skip
        environment, log = {**os.environ, **self.environment}, profile / "stderr.log"
        with log.open("wb") as to, subprocess.Popen([str(self.path), *flags], env=environment, stderr=to) as process:
            try:
                wait("Chromium", lambda: _address(profile) or process.poll() is not None, limit_s=LIMIT_S)
                assert process.poll() is None, log.read_text(errors="replace")[-2000:]
                socket = websocket.create_connection(_address(profile), timeout=LIMIT_S, suppress_origin=True)
                yield Browser(socket)
                socket.close()
            finally:
                process.terminate()


def _address(profile: Path) -> str:
    """Where it listens, as it writes into its profile once it does: a port of this machine alone."""
    with contextlib.suppress(FileNotFoundError):
        lines = (profile / "DevToolsActivePort").read_text().splitlines()
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
    return ""


def find() -> Program | str:
    """A browser, or why there is none."""
    for name in ON_PATH:
        found = shutil.which(name)
        if found:
            return Program(path=Path(found), environment={})
    try:
        unpacked = debian.unpack("chromium")
    except ProgramError as cause:
        return f"no Chromium on PATH, and none from this machine's packages: {cause.message}"
    # /usr/bin/chromium is a script that reads /etc; the program itself needs only its libraries.
    return Program(
        path=unpacked.root / "usr" / "lib" / "chromium" / "chromium",
        environment={"LD_LIBRARY_PATH": unpacked.library_path},
    )
