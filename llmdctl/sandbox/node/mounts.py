"""The private mounts of a real node: its own /run, /var/lib and /var/log, and a disguise over some of /proc and /sys.

Daemons have paths written into them (/var/lib/kubelet/device-plugins, /var/lib/cni, /run/xtables.lock) and kubelet sets
the kernel's own parameters for the whole machine. All of that lands in memory that goes with the mount namespace.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

_TOPOLOGY = "/sys/devices/system/node"
PRIVATE = ("/run", "/var/lib", "/var/log")

# What kubelet insists on (pkg/kubelet/cm, setupKernelTunables); none of them belongs to a namespace.
_PARAMETERS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def isolate(keep: Iterable[Path]) -> None:
    """Hide the host's folders behind empty ones; what of `keep` lies in them stays visible. Raises OSError."""
    _mount("--make-rshared", "/")  # inside this namespace: mounts of a pod's volumes reach its containers
    handles = {path: os.open(path, os.O_PATH) for path in _outermost(keep) if _private(path)}
    for folder in PRIVATE:
        _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    for path, handle in handles.items():
        path.mkdir(parents=True, exist_ok=True)
        _mount("--rbind", f"/proc/{os.getpid()}/fd/{handle}", str(path))
        os.close(handle)


def show(folder: Path, place: Path) -> None:
    """Let `folder` be seen at `place` as well; what is mounted below the one does not appear below the other."""
    place.mkdir(parents=True, exist_ok=True)
    _mount("--bind", str(folder), str(place))
    _mount("--make-private", str(place))
    _mount("--make-rshared", str(place))


def disguise(folder: Path) -> None:
    """Put the files of `folder` (see `llmdctl.sandbox.node.capacity`) and private kernel parameters in place."""
    parameters = folder / "parameters"
    parameters.mkdir()
    for name, value in _PARAMETERS.items():
        file = parameters / name.replace("/", "-")
        file.write_text(f"{value}\n")
        if Path("/proc/sys", name).exists():
            _mount("--bind", str(file), f"/proc/sys/{name}")
    _mount("--bind", str(folder / "meminfo"), "/proc/meminfo")
    if Path(_TOPOLOGY).is_dir():
        _mount("--bind", str(folder / "node"), _TOPOLOGY)


def _private(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in PRIVATE)


def _outermost(paths: Iterable[Path]) -> list[Path]:
    resolved = sorted({path.resolve() for path in paths if path.exists()})
    return [path for path in resolved if not any(path != other and path.is_relative_to(other) for other in resolved)]


def _mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"mount {' '.join(words)}: {done.stderr.strip()}")
