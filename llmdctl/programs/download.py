"""Official release archives, taken only where their checksum is known for certain and pinned here.

The checksums come from each project's own release notes, not from the download host. A program without one is built
instead; `tools/README.md` says which.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llmdctl.programs.cache import Entry, cache_root, content_key
from llmdctl.programs.catalog import Pinned
from llmdctl.programs.origin import Reporter

# Every blocking step of the transfer, the connection first: a machine without a way out must not wait for it.
_STEP_LIMIT_S = 3.0
_CHUNK_BYTES = 1 << 20
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class FetchFailed(Exception):
    """The download cannot be had or is not what was pinned; the next source is tried."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """One official .tar.gz. `digest` is `sha256:…` or `sha512:…`; `members` maps file names to paths inside."""

    url: str
    digest: str
    members: Mapping[str, str]


def _helm3(target: str, sha256: str) -> Download:
    """https://github.com/helm/helm/releases/tag/v3.22.0"""
    url = f"https://get.helm.sh/helm-v3.22.0-{target}.tar.gz"
    return Download(url=url, digest=f"sha256:{sha256}", members={"helm": f"{target}/helm"})


def _kubernetes(target: str, sha512: str) -> Download:
    """https://github.com/kubernetes/kubernetes/blob/v1.34.5/CHANGELOG/CHANGELOG-1.34.md#downloads-for-v1344"""
    names = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
    return Download(
        url=f"https://dl.k8s.io/v1.34.4/kubernetes-server-{target}.tar.gz",
        digest=f"sha512:{sha512}",
        members={name: f"kubernetes/server/bin/{name}" for name in names},
    )


# (folder under tools/, platform) -> archive
DOWNLOADS: dict[tuple[str, str], Download] = {
    ("helm3", "linux-amd64"): _helm3("linux-amd64", "1e4ab49e429626cf6c6958d914248b78c9730803c2751b87627e171dc800e7bb"),
    ("helm3", "linux-arm64"): _helm3("linux-arm64", "f14e804dfee240f55525b667488fe9adca349e63e00c9af634c0beb1421ac310"),
    ("helm3", "darwin-amd64"): _helm3(
        "darwin-amd64", "bd1d09f316558dda23698527859600936fed1371021ce0f2272d66b2fdcfa69c"
    ),
    ("helm3", "darwin-arm64"): _helm3(
        "darwin-arm64", "4c9982a6cdeb458b60258df66b55398ca5b19293f6877faffe2909ad6f23dfe0"
    ),
    ("kubernetes", "linux-amd64"): _kubernetes(
        "linux-amd64",
        "65c75e81e3ea488f6d42b493cad64d7577ddfa1e5372037a1c841ac069039997"
        "d359b5b2f2d44e7665bf04c48ed0065cf9d4c9801b1e63bb6a1b099ef00d4863",
    ),
    ("kubernetes", "linux-arm64"): _kubernetes(
        "linux-arm64",
        "a1fad7060ed67b5634f32f3256a295179dd887dab5c82b8550c2eb62c69df34c"
        "fbb311c8f93e7608d558eba32b9e2ddc23976db39e512fd747cc6bf9b4c1765f",
    ),
}


def pinned_download(program: Pinned) -> Download | None:
    """The archive with this program for this machine, or None where none is pinned."""
    machine = platform.machine()
    return DOWNLOADS.get((program.family, f"{sys.platform}-{_ARCHITECTURES.get(machine, machine)}"))


def entry(program: Pinned) -> Entry | None:
    """The cache entry of that archive's programs; one for all programs of a family."""
    chosen = pinned_download(program)
    if chosen is None:
        return None
    key = content_key([chosen.url, chosen.digest, *chosen.members.values()])
    return Entry(root=cache_root(), label=f"{program.family}-release-{program.version}", key=key)


def fetch(chosen: Download, folder: Path, report: Reporter) -> None:
    """Download, check and unpack an archive's programs into `folder`. Raises FetchFailed."""
    report(f"downloading {chosen.url}")
    archive = folder / "archive.partial"
    _transfer(chosen.url, archive)
    unpack(chosen, archive, folder)
    archive.unlink()


def unpack(chosen: Download, archive: Path, folder: Path) -> None:
    """Check `archive` against the pinned digest, then write its programs into `folder`. Raises FetchFailed."""
    import tarfile  # rarely needed, and Helm's cold start pays for every import

    algorithm, _, expected = chosen.digest.partition(":")
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()
    if found != expected:
        raise FetchFailed(f"{chosen.url} has {algorithm} {found}, pinned is {expected}")
    try:
        with tarfile.open(archive, mode="r:gz") as content:
            for name, member in chosen.members.items():
                source = content.extractfile(member)
                if source is None:
                    raise FetchFailed(f"{chosen.url}: {member} is no file")
                with source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target, _CHUNK_BYTES)
                (folder / name).chmod(0o755)
    except (tarfile.TarError, KeyError, EOFError) as error:
        raise FetchFailed(f"{chosen.url} cannot be unpacked: {error}") from error


def _transfer(url: str, target: Path) -> None:
    import http.client
    import urllib.error
    import urllib.request  # 60 ms, and only a first download needs it

    try:
        # The address is a constant of this file.
        with urllib.request.urlopen(url, timeout=_STEP_LIMIT_S) as answer, target.open("wb") as file:
            shutil.copyfileobj(answer, file, _CHUNK_BYTES)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise FetchFailed(str(getattr(error, "reason", error))) from error
