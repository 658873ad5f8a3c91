"""A headless Chromium: the machine's own, or the one of its package archive, unpacked into the cache."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llmdctl.errors import ProgramError
from llmdctl.programs import debian

ON_PATH = ("chromium", "chromium-browser", "google-chrome", "chrome-headless-shell")
LIMIT_S = 120.0


@dataclass(frozen=True)
class Browser:
    """One program with the environment that it needs."""

    program: Path
    environment: Mapping[str, str]
    profile: Path

    def dom(self, page: Path, fragment: str = "") -> str:
        """The document after its script ran."""
        return self._run("--dump-dom", f"{page.as_uri()}{fragment}")

    def picture(self, page: Path, target: Path) -> None:
        """What a person would see."""
        self._run(f"--screenshot={target}", "--window-size=1200,1600", page.as_uri())

    def _run(self, *words: str) -> str:
        # No network: a page that asks for anything fails to get it, and the console says so.
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--virtual-time-budget=3000",
                 "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={self.profile}")  # fmt: skip
        done = subprocess.run(
            [str(self.program), *flags, *words],
            env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout


def find(profile: Path) -> Browser | str:
    """A browser, or why there is none."""
    for name in ON_PATH:
        found = shutil.which(name)
        if found:
            return Browser(program=Path(found), environment={}, profile=profile)
    try:
        unpacked = debian.unpack("chromium")
    except ProgramError as cause:
        return f"no Chromium on PATH, and none from this machine's packages: {cause.message}"
    # /usr/bin/chromium is a script that reads /etc; the program itself needs only its libraries.
    return Browser(
        program=unpacked.root / "usr" / "lib" / "chromium" / "chromium",
        environment={"LD_LIBRARY_PATH": unpacked.library_path},
        profile=profile,
    )
