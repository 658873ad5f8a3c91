from __future__ import annotations

import subprocess
import sys

import pytest

from llmdctl.errors import UsageError
from llmdctl.sandbox import record
from llmdctl.sandbox.components import Ports
from llmdctl.sandbox.home import home, homes, locked
from llmdctl.sandbox.processes import Process

PORTS = Ports(
    api_server=1, etcd=2, etcd_peer=3, controller_manager=4, scheduler=5, kwok=6, lws_webhook=7, lws_health=8,
    prometheus=9, names=10, keda_health=11, keda_metrics=12, keda_service=13, keda_adapter=14, etcd_http=15,
)  # fmt: skip
WAIT = """
from llmdctl.sandbox.home import home, locked
print("waiting", flush=True)
with locked(home("x")):
    print("has it", home("x").path.exists(), flush=True)
"""


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    folder = tmp_path / "state"
    monkeypatch.setenv("LLMDCTL_STATE", str(folder))
    return folder


@pytest.mark.parametrize("name", ["", "A", "a/b", "..", "-a", "a-", "a" * 41])
def test_names_that_cannot_be(name):
    with pytest.raises(UsageError, match="cannot name a sandbox"):
        home(name)


def test_the_lock_leaves_no_file(state):
    with locked(home("x")):
        assert [place.name for place in homes()] == ["x"]
    assert list(home("x").path.iterdir()) == []
    home("x").remove()
    assert not state.exists()


def test_whoever_waited_for_a_removed_sandbox_gets_a_new_one():
    holding = locked(home("x"))
    holding.__enter__()
    with subprocess.Popen([sys.executable, "-c", WAIT], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "waiting\n"
        home("x").remove()
        holding.__exit__(None, None, None)
        assert other.stdout.readline() == "has it True\n"
    assert other.returncode == 0


def test_a_record_is_read_back():
    process = Process(component="etcd", pid=1, started_s=2.5, program="/bin/etcd", version="3.6.16")
    written = record.Record(ports=PORTS, processes=(process,), complete=True)
    with locked(home("x")):
        record.write(home("x"), written)
    assert record.read(home("x")) == written


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"ports": {}, "processes": [], "complete": true}'])
def test_a_broken_record_is_none(text):
    with locked(home("x")):
        home("x").record.write_text(text)
    assert record.read(home("x")) is None
