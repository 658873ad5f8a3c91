"""Reading modules before they are needed, while the main thread waits for a server, for Helm, or for pods."""

from __future__ import annotations

import importlib
import threading
from contextlib import suppress


def read_ahead(*modules: str) -> threading.Thread:
    """Import the modules in another thread, one after the other; their packages at once, in this one.

    Whoever needs a module meanwhile waits for it, and meets its error, of which nothing is said here. Join the thread
    before anything else of the same packages is imported: two threads that begin in a package at different modules of
    it may meet a deadlock (https://github.com/python/cpython/issues/83065). An interpreter that leaves waits for the
    module that is being read, and for no other.
    """
    for package in dict.fromkeys(module.rpartition(".")[0] for module in modules):
        if package:
            importlib.import_module(package)
    thread = threading.Thread(target=_read, args=(modules,), name="llmdctl-ahead")
    thread.start()
    return thread


def _read(modules: tuple[str, ...]) -> None:
    for module in modules:
        if not threading.main_thread().is_alive():
            return
        with suppress(Exception):
            importlib.import_module(module)
