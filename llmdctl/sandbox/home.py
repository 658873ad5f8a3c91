"""Where a sandbox keeps its files, and the lock that lets one command at a time change it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from llmdctl.errors import UsageError

_REMOVALS = 5  # the last thread of a killed process may still write a file
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


def state_root() -> Path:
    """`LLMDCTL_STATE`, else the user's state folder of the operating system, `sandbox` below it."""
    override = os.environ.get("LLMDCTL_STATE")
    if override:
        return Path(override).expanduser().absolute()
    from platformdirs import user_state_path  # 3 ms that an override saves

    return user_state_path("llmdctl", appauthor=False) / "sandbox"


@dataclass(frozen=True, kw_only=True, slots=True)
class Home:
    """The folder of one sandbox; every file that belongs to it lies inside, so that `down` can forget nothing."""

    name: str
    path: Path

    @property
    def record(self) -> Path:
        """Processes, ports and nodes, as JSON."""
        return self.path / "record.json"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.path / "kubeconfig"

    @property
    def values(self) -> Path:
        """Chart values that name the images of a real node."""
        return self.path / "values.yaml"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.path / "pki"

    @property
    def logs(self) -> Path:
        """One log file a component."""
        return self.path / "log"

    @property
    def audit_log(self) -> Path:
        """One JSON line for every request that did not come from the control plane itself."""
        return self.logs / "audit.log"

    @property
    def config(self) -> Path:
        """Configuration files of the components, and log texts of simulated pods."""
        return self.path / "config"

    def kubeconfig_of(self, user: str) -> Path:
        """The kubeconfig of one component."""
        return self.config / f"{user}.kubeconfig"

    def log_of(self, component: str) -> Path:
        """The log file of one component."""
        return self.logs / f"{component}.log"

    def remove(self) -> None:
        """Delete every file, and the folders above as far as they were made for sandboxes alone and are empty."""
        for _ in range(_REMOVALS):
            shutil.rmtree(self.path, ignore_errors=True)
            if not self.path.exists():
                break
        with contextlib.suppress(OSError):
            self.path.parent.rmdir()


def home(name: str) -> Home:
    """The home of the sandbox of this name, there or not. Raises UsageError for a name that cannot be one."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' cannot name a sandbox", remedy="Use up to 40 lower-case letters, digits and inner hyphens."
        )
    return Home(name=name, path=state_root() / name)


def homes() -> list[Home]:
    """All sandboxes that have files here, by name."""
    root = state_root()
    if not root.is_dir():
        return []
    return [home(folder.name) for folder in sorted(root.iterdir()) if _NAME.fullmatch(folder.name)]


@contextlib.contextmanager
def locked(place: Home) -> Iterator[None]:
    """Hold the sandbox's lock, making its folder if need be.

    The lock is on the folder itself, so that it leaves no file when the folder goes; whoever waited for a folder that
    has been removed meanwhile begins again with the new one.
    """
    while True:
        place.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            handle = os.open(place.path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_current(handle, place.path):
                yield
                return
        finally:
            os.close(handle)


def _is_current(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
