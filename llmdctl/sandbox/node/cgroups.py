"""The cgroup that holds every pod of a real node, in each hierarchy that the machine has."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_UNIFIED = "cgroup.controllers"  # only version 2 has it at its root
_NEEDED = ("cpu", "memory", "pids")
_LIMIT_S = 8.0
_PAUSE_S = 0.05


def make(name: str) -> None:
    """Create the cgroup, empty, in every hierarchy. Raises OSError."""
    if (_ROOT / _UNIFIED).exists():
        _make_unified(_ROOT / name)
        return
    for hierarchy in _hierarchies():
        own = hierarchy / name
        own.mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):  # empty in a new one, and then nothing can run in it
            if (own / file).exists():
                (own / file).write_text((hierarchy / file).read_text())


def remove(name: str) -> None:
    """Delete the cgroup with all below it, and wait while the kernel still counts an ending process in it.

    Absent is fine. Raises TimeoutError when a process stays in it.
    """
    deadline_s = time.monotonic() + _LIMIT_S
    while left := [own for own in _places(name) if not _removed(own)]:
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"cgroups {', '.join(str(own) for own in left)} do not get empty")
        time.sleep(_PAUSE_S)


def places(name: str) -> list[Path]:
    """Where the cgroup exists now."""
    return list(_places(name))


def _make_unified(own: Path) -> None:
    """Version 2: a controller is there for the pods when the root and our own group hand it down."""
    own.mkdir(exist_ok=True)
    offered = (_ROOT / _UNIFIED).read_text().split()
    for group in (own.parent, own):
        handed = (group / "cgroup.subtree_control").read_text().split()
        for controller in (name for name in offered if name in {*_NEEDED, "cpuset", "io"} and name not in handed):
            # One that the root does not hand down stays so: that would change the host.
            if group == own and controller in (own / "cgroup.controllers").read_text().split():
                (own / "cgroup.subtree_control").write_text(f"+{controller}")


def _hierarchies() -> Iterator[Path]:
    """The folders of the version 1 hierarchies, each once: some are linked under a second name."""
    for folder in sorted(_ROOT.iterdir()) if _ROOT.is_dir() else []:
        if folder.is_dir() and not folder.is_symlink() and (folder / "cgroup.procs").exists():
            yield folder


def _places(name: str) -> Iterator[Path]:
    groups = [_ROOT] if (_ROOT / _UNIFIED).exists() else list(_hierarchies())
    for group in groups:
        if (group / name).is_dir():
            yield group / name


def _removed(own: Path) -> bool:
    """Remove what can be removed of the tree, leaves first; whether all of it is gone."""
    folders = sorted((folder for folder in own.rglob("*") if folder.is_dir()), key=lambda one: -len(one.parts))
    for folder in [*folders, own]:
        with contextlib.suppress(OSError):
            folder.rmdir()
    return not own.exists()
