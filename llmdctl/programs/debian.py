"""Programs of the machine's own Debian or Ubuntu archive, unpacked into the cache instead of installed.

`apt-get` says which packages are missing for one, and fetches them; `dpkg-deb` unpacks them into an entry of the cache
whose key is their versions: an archive never gives one version to two contents. No right beyond the cache is needed,
nothing of the machine changes, and nothing of a package is run. Only for tests and tools: what llmdctl itself needs is
pinned in `catalog`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from llmdctl.errors import ProgramError
from llmdctl.programs.cache import Entry, cache_root, content_key
from llmdctl.programs.origin import Reporter, silent

_LIMIT_S: Final = 600.0
_INSTALLED: Final = Path("/var/lib/dpkg/status")
_LINE: Final = re.compile(r"^'[^']+' (?P<file>\S+\.deb) \d+ ")
"""A line of `apt-get --print-uris`: address, file name, size in bytes, and a digest or nothing (apt-get(8))."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """One package of the archive."""

    name: str
    version: str

    @property
    def choice(self) -> str:
        """As apt-get names it."""
        return f"{self.name}={self.version}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Unpacked:
    """The files of a package and of what it needs, below `root` as they would be below `/`."""

    root: Path
    version: str

    @property
    def library_path(self) -> str:
        """What LD_LIBRARY_PATH must be for its programs: every folder that holds a library, private ones too."""
        folders = {file.parent for part in ("lib", "usr/lib") for file in (self.root / part).rglob("*.so*")}
        return ":".join(str(folder) for folder in sorted(folders))


def unpack(name: str, *others: str, report: Reporter = silent) -> Unpacked:
    """The package, `others` beside it, and everything they need that this machine lacks; from the cache or fetched now.

    `version` is the first one's. Raises ProgramError where there is no apt, no such package, or no way to the archive.
    """
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise ProgramError(f"{name} cannot be unpacked: this machine has no {tool}")
    packages = _answered(name, *others)
    chosen = next((package for package in packages if package.name == name), None)
    if chosen is None:
        raise ProgramError(f"{name} is installed already, or its archive has no such package")
    key = content_key(package.choice for package in packages)
    entry = Entry(root=cache_root(), label=f"debian-{name}", key=key)
    entry.fill(lambda folder: _fetch(packages, folder, report), report)
    return Unpacked(root=entry.path, version=chosen.version)


def missing(name: str, *others: str) -> tuple[Package, ...]:
    """What installing packages would fetch, in apt's order. Raises ProgramError when apt cannot say."""
    words = ["apt-get", "install", "--print-uris", "--no-install-recommends", "--yes", "--quiet", name, *others]
    return tuple(parse(_run(words, f"apt does not know how to install {name}")))


def _answered(*names: str) -> tuple[Package, ...]:
    """As `missing`, which takes apt two seconds, kept in the cache until the machine's set of packages changes."""
    if not _INSTALLED.is_file():
        return missing(*names)
    key = content_key([*names, str(_INSTALLED.stat().st_mtime_ns), str(_INSTALLED.stat().st_size)])
    entry = Entry(root=cache_root(), label=f"debian-choice-{names[0]}", key=key)

    def ask(folder: Path) -> None:
        lines = "".join(f"{package.name} {package.version}\n" for package in missing(*names))
        (folder / "packages").write_text(lines, encoding="utf-8")

    entry.fill(ask)
    kept = (entry.path / "packages").read_text(encoding="utf-8").splitlines()
    return tuple(Package(name=name, version=version) for name, version in (line.split(" ") for line in kept))


def parse(lines: str) -> list[Package]:
    """The packages in what `apt-get --print-uris` prints; a file name is NAME_VERSION_ARCHITECTURE.deb, escaped."""
    found = []
    for line in lines.splitlines():
        match = _LINE.match(line)
        if match:
            name, version, _ = unquote(match["file"]).rsplit("_", 2)
            found.append(Package(name=name, version=version))
    return found


def _fetch(packages: Sequence[Package], folder: Path, report: Reporter) -> None:
    archives = folder / ".archives"
    archives.mkdir()
    report(f"fetching {len(packages)} packages of this machine's archive")
    words = ["apt-get", "download", "--quiet", *(package.choice for package in packages)]
    _run(words, "the packages cannot be fetched", folder=archives)  # apt checks each against the signed index
    for archive in sorted(archives.iterdir()):
        _run(["dpkg-deb", "--extract", str(archive), str(folder)], f"{archive.name} cannot be unpacked")
    shutil.rmtree(archives)


def _run(words: Sequence[str], failure: str, *, folder: Path | None = None) -> str:
    try:
        done = subprocess.run(
            words, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as cause:
        raise ProgramError(f"{failure}: {cause}") from cause
    if done.returncode:
        raise ProgramError(f"{failure}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
