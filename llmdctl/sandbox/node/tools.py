"""The programs that a real node needs and no Go module of ours builds: containerd, runc, iptables, `ip`, CNI plugins.

Taken from PATH where all of a kind are there and recent enough, else from the packages of the machine's own
distribution, unpacked into the cache and never installed.
"""

from __future__ import annotations

import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llmdctl import programs
from llmdctl.errors import ProgramError
from llmdctl.programs import debian

# package -> the programs of it that are called
_PACKAGES: Final = {
    "containerd": ("containerd", "containerd-shim-runc-v2", "ctr"),
    "runc": ("runc",),
    "iptables": ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"),
    "iproute2": ("ip",),
}
_OLDEST: Final = {"containerd": (1, 6), "runc": (1, 1)}  # kubelet 1.34 speaks CRI v1, which containerd has since 1.6
_PLUGINS_PACKAGE: Final = "containernetworking-plugins"
_PLUGINS: Final = ("ptp", "host-local", "portmap", "loopback")
_PLUGIN_FOLDERS: Final = (Path("/opt/cni/bin"), Path("/usr/lib/cni"), Path("/usr/libexec/cni"))
_FOLDERS: Final = ("usr/bin", "usr/sbin", "bin", "sbin")
_SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tools:
    """Name -> program, the folder of CNI plugins, and what unpacked programs need to find their libraries."""

    found: dict[str, Path]
    plugins: Path
    library_path: str = ""
    tables_path: str = ""
    version: str = "unknown"

    def install(self, folder: Path) -> None:
        """Write a small script for each program into `folder`: only the program itself gets the library path."""
        folder.mkdir(parents=True)
        for name, program in self.found.items():
            lines = ["#!/bin/sh"]
            if self.library_path:
                lines.append(f"export LD_LIBRARY_PATH={shlex.quote(self.library_path)}")
                lines.append(f"export XTABLES_LIBDIR={shlex.quote(self.tables_path)}")
            lines.append(f'exec {shlex.quote(str(program))} "$@"')
            script = folder / name
            script.write_text("\n".join(lines) + "\n", encoding="utf-8")
            script.chmod(0o755)


def search_path(folder: Path) -> str:
    """PATH of the daemons: the scripts first, then the system's usual folders, whoever started us."""
    return f"{folder}:{_SYSTEM_PATH}"


def find(report: programs.Reporter = programs.silent) -> Tools:
    """All of them. Raises ProgramError where one can be had from nowhere."""
    at_hand = {package: _on_path(names) for package, names in _PACKAGES.items()}
    plugins = next((folder for folder in _PLUGIN_FOLDERS if _complete(folder)), None)
    lacking = [package for package, found in at_hand.items() if found is None]
    lacking += [] if plugins else [_PLUGINS_PACKAGE]
    found = {name: path for paths in at_hand.values() for name, path in (paths or {}).items()}
    version = _version(found["containerd"]) if "containerd" in found else "unknown"
    if not lacking:
        assert plugins is not None
        return Tools(found=found, plugins=plugins, version=version)
    try:
        unpacked = debian.unpack(*lacking, report=report)
    except ProgramError as cause:
        raise ProgramError(
            f"a real node needs {', '.join(lacking)}: {cause}",
            remedy="Install them with the system's package manager, or on Debian and Ubuntu run apt-get update first.",
        ) from cause
    for package in (name for name in lacking if name in _PACKAGES):
        found |= {name: _within(unpacked.root, name) for name in _PACKAGES[package]}
    tables = next(iter(sorted((unpacked.root / "usr/lib").rglob("xtables"))), Path("/usr/lib/xtables"))
    return Tools(
        found=found,
        plugins=plugins or unpacked.root / "usr/lib/cni",
        library_path=unpacked.library_path,
        tables_path=str(tables),
        version=unpacked.version.partition("~")[0] if "containerd" in lacking else version,
    )


def _on_path(names: tuple[str, ...]) -> dict[str, Path] | None:
    """Where all programs of a package are, or None when one is lacking or too old."""
    path = os.pathsep.join(filter(None, (os.environ.get("PATH"), _SYSTEM_PATH)))
    found = {name: Path(place) for name in names if (place := shutil.which(name, path=path))}
    if len(found) < len(names):
        return None
    oldest = _OLDEST.get(names[0])
    if oldest is None:
        return found
    said = programs.version_on_path(str(found[names[0]]), "--version")
    return found if said is not None and (said.major, said.minor) >= oldest else None


def _version(program: Path) -> str:
    said = programs.version_on_path(str(program), "--version")
    return str(said) if said is not None else "unknown"


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _PLUGINS)


def _within(root: Path, name: str) -> Path:
    """A program of unpacked packages. iptables gets its plain names from links that only an installation makes."""
    for alias in (name, name.replace("tables", "tables-nft", 1)):
        for folder in _FOLDERS:
            if (root / folder / alias).is_file():
                return root / folder / alias
    raise ProgramError(f"the distribution's package has no '{name}'")
