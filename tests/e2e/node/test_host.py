"""The machine is the same after a real node as before, however the node ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from llmdctl import sandbox
from llmdctl.errors import UsageError
from llmdctl.sandbox import record
from llmdctl.sandbox.home import home
from llmdctl.sandbox.node import cgroups
from llmdctl.sandbox.node.layout import Layout
from llmdctl.sandbox.processes import belonging_to
from tests.e2e.conftest import claimed
from tests.e2e.sandbox.objects import wait

from . import host

pytestmark = pytest.mark.e2e

DOWN_LIMIT_S = 10.0
NAME = "host"
BRING_UP = f"""
from llmdctl import sandbox
sandbox.up("{NAME}", nodes=[], real=sandbox.real_node("cpu", None, template={{}}, resource=""))
"""


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A state folder of its own; whatever a failing test left in it is ended."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("a real node needs Linux and root")
    folder = tmp_path / "state"
    monkeypatch.setenv("LLMDCTL_STATE", str(folder))
    yield folder
    sandbox.down(NAME)
    assert not folder.exists()


def inhabitants(place):
    """Every process in the node's network, and every one that it numbers."""
    node = record.read(place).node
    net, pid = (host.inside(kind, host.namespace_of(node.pid, kind)) for kind in ("net", "pid"))
    return net | pid


def gone(place, own):
    """Take it down, in time, and look for what could have stayed."""
    began_s = time.monotonic()
    assert sandbox.down(NAME)
    assert time.monotonic() - began_s < DOWN_LIMIT_S
    assert belonging_to(place.path) == []
    assert not place.path.exists()
    assert cgroups.places(Layout(home=place).cgroup) == []
    assert [process for process in own if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []


def killed_in_the_middle():
    """Run `up` in a process of its own, and kill -9 it as soon as kubelet has begun to make cgroups."""
    place = home(NAME)
    group = Layout(home=place).cgroup
    with subprocess.Popen([sys.executable, "-c", BRING_UP]) as tool:
        wait("kubelet's cgroup", lambda: tool.poll() is not None or _has_pods(group), limit_s=120)
        assert tool.poll() is None, "up has failed by itself"
        tool.send_signal(signal.SIGKILL)
    assert sandbox.status(NAME).state is sandbox.State.INCOMPLETE
    return place


def test_up_over_a_killed_one_and_down_after_init_was_killed_change_nothing(state):
    before = host.look()
    place = killed_in_the_middle()
    left_over = set(belonging_to(place.path))
    status = sandbox.up(NAME, nodes=[], real=claimed("h200", 8))
    assert status.state is sandbox.State.UP
    assert [(node.name, node.real, node.ready) for node in status.nodes] == [("h200-real", True, True)]
    assert not left_over & set(belonging_to(place.path)), "processes of the killed start live on"
    host.same(before, host.look())
    with pytest.raises(UsageError, match="is up without the real node l4-real"):
        sandbox.up(NAME, nodes=[], real=claimed("l4", 1))
    own, init = inhabitants(place), record.read(place).node
    psutil.Process(init.pid).kill()
    wait("the end of init", lambda: not init.alive)
    gone(place, own)
    host.same(before, host.look())


def test_while_it_runs_it_is_on_loopback_only(real_node):
    found = record.read(home(real_node.name))
    own = set(belonging_to(home(real_node.name).path))
    assert host.foreign_listeners(own) == []
    outside = {process.component for process in found.processes if _in_our_network(process.pid)}
    assert outside == {"relay"}  # it carries the API server's port
    assert "10.96.0.1" not in host.look().rules


def _has_pods(group):
    return any((own / "kubepods").exists() for own in cgroups.places(group))


def _in_our_network(pid):
    return host.namespace_of(pid, "net") == host.namespace_of(os.getpid(), "net")
