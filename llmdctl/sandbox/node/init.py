"""PID 1 of a real node: `python -m llmdctl.sandbox.node.init SETTINGS`, in new namespaces.

It sets up mounts, network and cgroups, says so by a file, and from then on only collects ended processes: every shim
of containerd becomes its child. The daemons join its namespaces from outside. When it ends, all of them end.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path

from llmdctl.sandbox.node import cgroups, layout, mounts, network


def main(settings_file: Path) -> None:
    """Set the node up as the settings {hostname, cgroup, keep, kubelet, disguise, ready} say, then reap for ever."""
    settings = json.loads(settings_file.read_text(encoding="utf-8"))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    socket.sethostname(settings["hostname"])
    mounts.isolate([Path(path) for path in settings["keep"]])
    mounts.show(Path(settings["kubelet"]), Path(layout.KUBELET_ROOT))
    mounts.disguise(Path(settings["disguise"]))
    network.make()
    cgroups.make(settings["cgroup"])
    Path(settings["ready"]).touch()
    while True:
        signal.sigwait({signal.SIGCHLD})
        _reap()


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
