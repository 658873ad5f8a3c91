"""Sandboxes that do not come up: killed half-way, or without a program; gone without a trace.

One that does, over a killed one and beside another, is looked at in `tests/e2e/guides/test_guides.py`.
"""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from llmdctl import sandbox
from llmdctl.errors import ProgramError
from llmdctl.sandbox.home import home
from llmdctl.sandbox.processes import belonging_to

from .objects import wait

pytestmark = pytest.mark.e2e

NODES = [sandbox.SimulatedNodes(accelerator="cpu", count=1, template={})]
BRING_UP = """
from llmdctl import sandbox
sandbox.up("second", nodes=[sandbox.SimulatedNodes(accelerator="cpu", count=1, template={})])
"""


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A state folder of its own; whatever a failing test left in it is ended."""
    folder = tmp_path / "state"
    monkeypatch.setenv("LLMDCTL_STATE", str(folder))
    yield folder
    sandbox.down("second")
    assert not folder.exists()


def kill_in_the_middle(state, processes):
    """Run `up` in a process of its own and kill -9 it as soon as it has started so many processes."""
    place = home("second")
    with subprocess.Popen([sys.executable, "-c", BRING_UP]) as tool:
        wait(f"{processes} processes", lambda: len(belonging_to(place.path)) >= processes)
        tool.send_signal(signal.SIGKILL)
    assert sandbox.status("second").state is sandbox.State.INCOMPLETE
    return place


@pytest.mark.parametrize("processes", [1, 2])
def test_down_after_kill_9_of_up_leaves_nothing(state, processes):
    place = kill_in_the_middle(state, processes)
    assert sandbox.down("second")
    assert belonging_to(place.path) == []
    assert not state.exists()
    assert not sandbox.down("second")


def test_down_finds_a_process_that_was_never_written_down(state):
    place = kill_in_the_middle(state, 2)
    place.record.unlink()
    sandbox.down("second")
    assert belonging_to(place.path) == []


def test_a_program_that_ends_at_once_is_named_with_its_log(state, monkeypatch, tmp_path):
    broken = tmp_path / "etcd"
    broken.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "etcd Version: 3.6.16" && exit\necho out of luck; exit 3\n'
    )
    broken.chmod(0o755)
    monkeypatch.setenv("LLMDCTL_ETCD", str(broken))
    with pytest.raises(ProgramError, match="etcd ended while starting\nout of luck") as caught:
        sandbox.up("second", nodes=NODES)
    assert str(home("second").log_of("etcd")) in str(caught.value.remedy)
    assert belonging_to(home("second").path) == []
