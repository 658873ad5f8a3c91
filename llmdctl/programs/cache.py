"""The cache of programs and CRDs: content-addressed entries, each put in place by one rename.

Layout under `cache_root()`: `entries/<label>-<key>/`, `locks/`, `logs/`, and `partial/` for what is being made. An
entry is complete or absent, so readers take no lock; a writer that was killed leaves only a partial folder, which the
next writer of the same entry removes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from llmdctl.errors import ProgramError
from llmdctl.programs.origin import Reporter, silent

_KEY_LENGTH = 16  # hex digits; 64 bits are plenty for a few dozen entries


def cache_root() -> Path:
    """`LLMDCTL_CACHE`, else the user's cache folder of the operating system."""
    override = os.environ.get("LLMDCTL_CACHE")
    if override:
        return Path(override).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("llmdctl", appauthor=False)


def content_key(parts: Iterable[str | bytes]) -> str:
    """A hash over all parts, each with its length, so that no two lists of parts give one key."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()[:_KEY_LENGTH]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One place in the cache, filled or not. `label` is for people, `key` for identity."""

    root: Path
    label: str
    key: str

    @property
    def path(self) -> Path:
        """The folder of a finished entry."""
        return self.root / "entries" / f"{self.label}-{self.key}"

    @property
    def log(self) -> Path:
        """Where the making of this entry is logged."""
        return self.root / "logs" / f"{self.label}-{self.key}.log"

    @property
    def filled(self) -> bool:
        """Whether the entry is there, and therefore complete."""
        return self.path.is_dir()

    def fill(self, make: Callable[[Path], None], report: Reporter = silent, *, given_up: Event | None = None) -> bool:
        """Have `make` write the entry's files into an empty folder, then move that into place.

        Two callers at once: the second waits and finds the entry filled, or ends its wait once `given_up` is set.
        Returns whether this call made it. What `make` raises passes through, and nothing is left behind. Raises
        ProgramError when the cache is not writable, or the wait was given up.
        """
        from filelock import FileLock, Timeout

        try:
            for folder in ("entries", "locks", "logs", "partial"):
                (self.root / folder).mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / "locks" / f"{self.key}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                report(f"{self.label}: another llmdctl is making it; waiting")
                lock.acquire(cancel_check=given_up.is_set if given_up else None)
        except Timeout as cause:  # an OSError as well, so it must stand first
            raise ProgramError(f"{self.label}: waiting for it was given up") from cause
        except OSError as error:
            raise ProgramError(
                f"the cache {self.root} cannot be written: {error.strerror or error}",
                remedy="Set LLMDCTL_CACHE to a folder that can.",
            ) from error
        try:
            return self._fill_locked(make)
        finally:
            lock.release()

    def _fill_locked(self, make: Callable[[Path], None]) -> bool:
        if self.filled:
            return False
        for stale in (self.root / "partial").glob(f"{self.key}-*"):  # of a killed writer: we hold its lock now
            shutil.rmtree(stale, ignore_errors=True)
        partial = self.root / "partial" / f"{self.key}-{os.getpid()}"
        partial.mkdir()
        try:
            make(partial)
            partial.replace(self.path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return True
