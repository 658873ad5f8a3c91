"""Images in containerd's store."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from llmdctl.errors import ProgramError
from llmdctl.sandbox.node import layout
from llmdctl.sandbox.node.layout import Layout
from llmdctl.sandbox.node.namespaces import joining

_LIMIT_S = 300.0


def socket_of(pid: int) -> Path:
    """containerd's socket as the host reaches it, in the files of the node's init `pid`."""
    return Path(f"/proc/{pid}/root{layout.CONTAINERD_SOCKET}")


def load(place: Layout, archives: Iterable[Path], *, pid: int) -> None:
    """Import docker-archives, one after the other. Raises ProgramError with what ctr says."""
    for archive in archives:
        client = [str(place.tools / "ctr"), f"--address={layout.CONTAINERD_SOCKET}"]
        words = [*client, f"--namespace={layout.IMAGE_NAMESPACE}", "images", "import", str(archive)]
        try:
            done = subprocess.run(
                joining(pid, words),
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LIMIT_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise ProgramError(f"the image {archive.name} was not imported within {_LIMIT_S:.0f} s") from error
        if done.returncode:
            raise ProgramError(f"the image {archive.name} cannot be imported: {done.stderr.strip()[-500:]}")
