"""`llmdctl` for a shell, without what starting Python and loading four hundred modules costs each time.

A process that has loaded them forks itself for each command: the child gets the caller's files, folder, environment
and words, and runs `llmdctl.cli.main` as the console script does. What stands on PATH is a small program that hands
these over and leaves with the child's exit code. That the real script starts is the claim of `tests/packaging`.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
NAME = "llmdctl"
# Not the simulated engine, which runs as a program of its own.
LOADED = ("cli", "helm", "kube", "lint", "model", "preflight", "prometheus", "recipe", "release", "sandbox", "values")
APART = ("llmdctl.sandbox.engine",)

CALLER = """\
#!{python} -ISE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [b"."], [0, 1, 2])
    asked = {{"words": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
    server.sendall(json.dumps(asked).encode())
    server.shutdown(socket.SHUT_WR)
    ended = server.recv(1)
sys.exit(ended[0] if ended else "llmdctl ended without an exit code")
"""


@contextmanager
def command(folder: Path) -> Iterator[Path]:
    """A program in `folder` that does what the console script does, for as long as the context lasts."""
    address = folder / "socket"
    server = subprocess.Popen([sys.executable, __file__, str(address)], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        caller = folder / NAME
        caller.write_text(CALLER.format(python=sys.executable, address=str(address)))
        caller.chmod(0o755)
        yield caller
    finally:
        server.terminate()
        server.communicate()


def serve(address: str) -> None:
    """Fork for each caller, until the process is ended."""
    load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children: each tells its exit code itself
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while True:
            caller, _ = listener.accept()
            with caller:
                if os.fork() == 0:
                    listener.close()
                    run(caller)


def load() -> None:
    """Every module of the command line, and what those load when they are wanted first."""
    for name in LOADED:
        package = importlib.import_module(f"llmdctl.{name}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.startswith(APART) and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    gc.collect()
    gc.freeze()


def run(caller: socket.socket) -> None:
    """One command line, in the caller's place. Does not return."""
    _, files, _, _ = socket.recv_fds(caller, 1, 3)
    asked = json.loads(b"".join(iter(lambda: caller.recv(65536), b"")))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = [NAME, *asked["words"]]
    code = 1
    try:
        from llmdctl.cli import main

        code = main()
        atexit._run_exitfuncs()
    except BaseException:  # noqa: BLE001 - as the interpreter would
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        caller.sendall(bytes([code]))
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
