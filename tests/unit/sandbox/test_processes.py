"""Which process is ours: pid and start time, or the mark in its environment."""

from __future__ import annotations

import os

import psutil
import pytest

from llmdctl.sandbox.processes import MARK, Process, belonging_to, end, same_process, start


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    yield folder
    end(folder, ())


def run(home, *words):
    return start("sleeper", words or ("/bin/sleep", "600"), home=home, log=home / "log", version="1")


def test_a_process_is_itself_only_with_its_start_time(home):
    process = run(home)
    assert process.alive
    assert same_process(process.pid, process.started_s)
    assert not same_process(process.pid, process.started_s - 60), "another process of that pid"
    assert belonging_to(home) == [process.pid]


class Beginning:
    """A process seen while exec(2) exchanges its program: the first looks find nothing of it but the program."""

    pid = 4711

    def __init__(self, looks, *, mark="", program="/bin/sleep"):
        self.looks, self.mark, self.program = looks, mark, program

    def environ(self):
        self.looks -= 1
        return {} if self.looks >= 0 or not self.mark else {MARK: self.mark}

    def cmdline(self):
        return [] if self.looks >= 0 or not self.program else [self.program, "600"]

    def exe(self):
        return self.program


def test_one_whose_program_has_only_just_begun_belongs_too(home, monkeypatch):
    everything = [
        Beginning(3, mark=str(home)),
        Beginning(3, mark="/another"),
        Beginning(3),  # it was given no environment at all
        Beginning(10**9, program=""),  # a thread of the kernel
    ]
    monkeypatch.setattr(psutil, "process_iter", lambda: iter(everything))
    assert belonging_to(home) == [Beginning.pid]


def test_it_has_a_session_of_its_own_and_nothing_of_our_environment(home, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", "/somewhere")
    process = run(home)
    assert os.getsid(process.pid) == process.pid
    assert "KUBECONFIG" not in psutil.Process(process.pid).environ()


def test_its_output_is_logged(home):
    process = run(home, "/bin/sh", "-c", "echo out; echo err >&2")
    os.waitpid(process.pid, 0)
    assert (home / "log").read_text() == "out\nerr\n"
    assert not process.alive


def test_it_holds_no_lock_of_whoever_started_us(home, tmp_path):
    with (tmp_path / "lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        process = run(home)
        assert {file.path for file in psutil.Process(process.pid).open_files()} == {str(home / "log")}


def test_end_takes_recorded_and_unrecorded_ones_and_no_others(home, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    recorded, unrecorded, foreign = run(home), run(home), run(other)
    try:
        assert end(home, [recorded]) == 2
        assert not recorded.alive
        assert not unrecorded.alive
        assert not [one.pid for one in (recorded, unrecorded) if psutil.pid_exists(one.pid)], "collected as well"
        assert foreign.alive
        assert end(home, [recorded]) == 0
    finally:
        end(other, [foreign])


def test_a_pid_that_now_is_somebody_else_is_left_alone(home, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    foreign = run(other)
    old = Process(component="x", pid=foreign.pid, started_s=foreign.started_s - 60, program="p", version="1")
    try:
        assert end(home, [old]) == 0
        assert foreign.alive
    finally:
        end(other, [foreign])


def test_a_program_that_is_not_there(home):
    with pytest.raises(OSError, match="nonexistent"):
        run(home, "/nonexistent")
