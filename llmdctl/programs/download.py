"""Official release downloads, taken only where a checksum is pinned here.

A program without a line in `_DOWNLOADS` is built instead; `tools/README.md` says which those are and why.
"""

from __future__ import annotations

import hashlib
import io
import platform
import sys
import tarfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from llmdctl.programs.cache import Entry, cache_root, content_key
from llmdctl.programs.catalog import Pinned
from llmdctl.programs.golang import executable_in
from llmdctl.programs.origin import Reporter

# Every blocking step of the transfer, the connection first: a machine without a way out must not wait for it.
_STEP_LIMIT_S = 3.0
_CHUNK_BYTES = 1 << 20
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class FetchFailed(Exception):
    """The download cannot be had or is not what was pinned; the next source is tried."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """One official archive or program. `digest` is `sha256:…` or `sha512:…`."""

    url: str
    digest: str
    member: str | None  # path inside the .tar.gz; None when the file is the program itself


_DOWNLOADS: dict[tuple[str, str], Download] = {}


def entry(program: Pinned) -> Entry | None:
    """The cache entry of this program's download for this machine, or None where none is pinned."""
    chosen = _DOWNLOADS.get((f"{program.family}/{program.package.rsplit('/', 1)[-1]}", _platform()))
    if chosen is None:
        return None
    label = f"{executable_in(Path(), program)}-{program.version}"
    return Entry(root=cache_root(), label=label, key=content_key([chosen.url, chosen.digest]))


def fetch(program: Pinned, folder: Path, report: Reporter) -> None:
    """Download, check and unpack the program into `folder`. Raises FetchFailed."""
    chosen = _DOWNLOADS[(f"{program.family}/{program.package.rsplit('/', 1)[-1]}", _platform())]
    report(f"{program.name} {program.version}: downloading {chosen.url}")
    place(chosen, _read(chosen.url), executable_in(folder, program))


def place(chosen: Download, data: bytes, target: Path) -> None:
    """Check `data` against the pinned digest and write the program to `target`. Raises FetchFailed."""
    algorithm, _, expected = chosen.digest.partition(":")
    found = hashlib.new(algorithm, data).hexdigest()
    if found != expected:
        raise FetchFailed(f"{chosen.url} has {algorithm} {found}, pinned is {expected}")
    target.write_bytes(data if chosen.member is None else _member(data, chosen.member))
    target.chmod(0o755)


def _read(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=_STEP_LIMIT_S) as answer:  # the address is a constant of this file
            return b"".join(iter(lambda: answer.read(_CHUNK_BYTES), b""))
    except (urllib.error.URLError, OSError) as error:
        raise FetchFailed(str(getattr(error, "reason", error))) from error


def _member(data: bytes, member: str) -> bytes:
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            content = archive.extractfile(member)
            if content is not None:
                return content.read()
    except (tarfile.TarError, KeyError) as error:
        raise FetchFailed(f"the archive holds no {member}") from error
    raise FetchFailed(f"the archive's {member} is no file")


def _platform() -> str:
    machine = platform.machine()
    return f"{sys.platform}/{_ARCHITECTURES.get(machine, machine)}"
