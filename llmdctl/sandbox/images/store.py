"""containerd's own store with the images in it, prepared once: a new node begins with it instead of importing.

Importing reads, hashes and unpacks every image (8 s on two cores); a store in the cache is laid out by hard links in a
tenth of a second. That is safe because containerd never writes to a blob or a committed snapshot that is there; its
databases, which it does write, are copied. Where links are not possible, everything is copied.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from llmdctl.errors import ProgramError
from llmdctl.programs.cache import Entry, cache_root, content_key
from llmdctl.programs.origin import Reporter, silent
from llmdctl.sandbox.images.building import Built, forget_others

NAMESPACE: Final = "k8s.io"
"""containerd's namespace of the images that the kubelet sees."""

_FORMAT: Final = "2"  # raise when the way of preparing changes
_LABEL: Final = "containerd-store"
_ROOT: Final = "root"
_HELD: Final = "images.json"  # the version of containerd, and reference -> key of the image
_PASSING: Final = "sandbox.llmdctl.dev/passing:1"
_LIMIT_S: Final = 300.0
_START_LIMIT_S: Final = 30.0
_PAUSE_S: Final = 0.05
# PID 1 of namespaces of its own: when our end of the pipe closes, in whatever way we end, all in them ends as well.
_SCRIPT: Final = 'containerd --config "$1" >"$2" 2>&1 & cat >/dev/null; kill -TERM $!; wait $!'


def prepared(images: Sequence[Built], *, commands: Path, version: str, report: Reporter = silent) -> Path:
    """A root folder of containerd that holds the images, for `lay`. Made at need from the nearest one that is there.

    `commands`: a folder with `containerd` and `ctr`; `version` is containerd's. Needs root. Raises ProgramError.
    """
    held = {image.reference: image.key for image in images}
    entry = Entry(
        root=cache_root(), label=_LABEL, key=content_key([_FORMAT, version, json.dumps(held, sort_keys=True)])
    )

    def make(folder: Path) -> None:
        started_s = time.monotonic()
        known = _begin(folder / _ROOT, version)
        missing = [image for image in images if known.get(image.reference) != image.key]
        obsolete = [reference for reference in known if reference not in held]
        with _running(folder, commands) as address:
            for image in missing:
                _client(commands, address, "images", "import", str(image.archive))
            # A removal is what makes containerd collect what no image needs any more, such as former layers.
            _client(commands, address, "images", "tag", "--force", images[0].reference, _PASSING)
            _client(commands, address, "images", "rm", "--sync", _PASSING, *obsolete)
        (folder / _HELD).write_text(json.dumps({"version": version, "images": held}), encoding="utf-8")
        report(f"{len(missing)} images put into containerd's store in {time.monotonic() - started_s:.1f} s")

    entry.fill(make, report)
    forget_others(entry)
    return entry.path / _ROOT


def lay(store: Path, target: Path) -> None:
    """Make `target`, which is not there yet, a root folder of containerd with the content of a prepared store."""

    def put(source: str, place: str) -> None:
        if not source.endswith(".db"):
            with contextlib.suppress(OSError):  # another file system
                os.link(source, place)
                return
        shutil.copy2(source, place)

    shutil.copytree(store, target, symlinks=True, copy_function=put)


def _begin(root: Path, version: str) -> dict[str, str]:
    """Begin with the newest store that this version of containerd has made; what it holds."""
    stores = (cache_root() / "entries").glob(f"{_LABEL}-*/{_HELD}")
    for file in sorted(stores, key=lambda file: file.stat().st_mtime, reverse=True):
        stated = json.loads(file.read_text(encoding="utf-8"))
        if stated.get("version") == version:
            lay(file.parent / _ROOT, root)
            return dict(stated["images"])
    return {}


@contextlib.contextmanager
def _running(folder: Path, commands: Path) -> Iterator[str]:
    """containerd on `folder/root` for as long as the context lasts; its address. Its mounts are seen by it alone."""
    with tempfile.TemporaryDirectory(prefix="llmdctl-") as scratch:  # a socket's path must be short
        address, log, file = f"{scratch}/containerd.sock", f"{scratch}/log", f"{scratch}/config.toml"
        text = (
            f'version = 2\nroot = "{folder / _ROOT}"\nstate = "{scratch}/state"\n'
            f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{address}"\n'
        )
        Path(file).write_text(text, encoding="utf-8")
        words = ["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--propagation", "private"]
        with subprocess.Popen(
            [*words, "sh", "-c", _SCRIPT, "sh", file, log], stdin=subprocess.PIPE, env=_environment(commands)
        ) as process:
            limit = time.monotonic() + _START_LIMIT_S
            while not Path(address).exists():
                if process.poll() is not None or time.monotonic() > limit:
                    raise ProgramError(f"containerd does not start: {_tail(Path(log))}")
                time.sleep(_PAUSE_S)
            yield address
            assert process.stdin is not None
            process.stdin.close()
            process.wait(_LIMIT_S)


def _client(commands: Path, address: str, *words: str) -> None:
    try:
        done = subprocess.run(
            [str(commands / "ctr"), f"--address={address}", f"--namespace={NAMESPACE}", *words],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ProgramError(f"ctr {' '.join(words)} did not end within {_LIMIT_S:.0f} s") from error
    if done.returncode != 0:
        raise ProgramError(f"ctr {' '.join(words)} failed: {done.stderr.strip()[-500:]}")


def _environment(commands: Path) -> dict[str, str]:
    return {**os.environ, "PATH": f"{commands}:{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin"}


def _tail(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return text.strip()[-500:] or "it says nothing"
