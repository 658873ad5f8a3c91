"""Reading modules before they are needed, while the main thread waits for a server, for Helm, or for pods."""

from __future__ import annotations

import importlib
import threading
from contextlib import suppress


def read_ahead(*modules: str) -> None:
    """Import the modules in another thread, one after the other.

    Whoever needs one meanwhile waits for it, and meets its error, of which nothing is said here. An interpreter that
    leaves waits for the module that is being read, and for no other.
    """
    if modules:
        threading.Thread(target=_read, args=(modules,), name="llmdctl-ahead").start()


def _read(modules: tuple[str, ...]) -> None:
    for module in modules:
        if not threading.main_thread().is_alive():
            return
        with suppress(Exception):
            importlib.import_module(module)
