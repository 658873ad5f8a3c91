"""What every test shares: no network in unit tests, quiet terminals, goldens that can be rewritten."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from pytest_socket import disable_socket, enable_socket

# Read by typer at import: help without colour and at one width, whatever the terminal or the CI says.
os.environ.update({"NO_COLOR": "1", "TERMINAL_WIDTH": "100", "_TYPER_FORCE_DISABLE_TERMINAL": "1"})
# Go collects garbage less often, in the workers that pytest-xdist starts, in Helm and in the control planes: half a
# gigabyte more for a quarter less of their time. A process of Go reads it when it starts.
os.environ.setdefault("GOGC", "400")
# Hundreds of processes import the checkout: one that may not keep what it compiled compiles all of it, every time.
sys.dont_write_bytecode = False
# A script's job in the background ignores Ctrl-C, and so would every test of what it does.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
for name in ("KUBECONFIG", "FORCE_COLOR", "LLMDCTL_NAMESPACE", "PYTHONDONTWRITEBYTECODE"):
    os.environ.pop(name, None)

# On a desk each run tries other documents; in CI a push is judged by the same ones as the run before.
settings.register_profile("ci", derandomize=True, suppress_health_check=[HealthCheck.too_slow])
if os.environ.get("CI"):
    settings.load_profile("ci")

ROOT = Path(__file__).resolve().parent.parent


# Ten thousand tests and what they are about are kept to the end: looking through them again and again finds nothing.
gc.set_threshold(100_000, 50, 100)


def pytest_collection_finish() -> None:
    """What has been collected stays: the collector need not look at it."""
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="Write goldens instead of comparing them.")


# A worker has whole files (`--dist loadfile`), so that what their tests share is made once. Long ones begin first: one
# that begins last is waited for, alone.
FIRST = ("e2e/recipes/", "e2e/guides/", "e2e/", "parity/", "packaging/")
# Their tests wait for containers most of the time, so one worker waits while the other computes.
WAITING = frozenset({"real_node", "scaled"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files in the order in which they are begun: by turns one that computes and one that waits."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    ordered = sorted(files, key=_turn)
    waiting = [file for file in ordered if any(WAITING.intersection(_fixtures(item)) for item in files[file])]
    computing = [file for file in ordered if file not in waiting]
    mixed = chain.from_iterable(zip_longest(computing, waiting))
    items[:] = chain.from_iterable(files[file] for file in mixed if file is not None)


def _turn(file: Path) -> int:
    place = file.relative_to(ROOT / "tests").as_posix()
    return next((number for number, folder in enumerate(FIRST) if place.startswith(folder)), len(FIRST))


def _fixtures(item: pytest.Item) -> Sequence[str]:
    return getattr(item, "fixturenames", ())


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest):
    """Unit tests reach no network; `allow_loopback` opens this machine only, for a fake server."""
    if "unit" not in request.path.relative_to(ROOT / "tests").parts:
        yield
        return
    if request.node.get_closest_marker("allow_loopback"):
        from pytest_socket import socket_allow_hosts

        socket_allow_hosts(["127.0.0.1", "localhost"], allow_unix_socket=True)
    else:
        disable_socket(allow_unix_socket=True)
    yield
    enable_socket()


@pytest.fixture
def golden(request: pytest.FixtureRequest):
    """`golden(file, text)`: compare with a stored text, or store it under --update-golden."""

    def check(file: Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            return
        assert file.exists(), f"{file} is missing: run pytest --update-golden and read the diff"
        assert text == file.read_text(encoding="utf-8")

    return check
