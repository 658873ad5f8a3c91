"""The order of sources, and builds that meet each other or are cut short."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from llmdctl.errors import ProgramError
from llmdctl.programs import Origin, find

from .conftest import executable

FIND = """
import sys
from llmdctl import programs
programs.find("helm4", report=lambda line: print(line, flush=True))
"""


def says(version: str) -> str:
    return f"#!/bin/sh\necho {version}\n"


def test_path_wins_when_its_version_fits(cache, go):
    executable(go.folder / "helm", says("v3.20.1"))
    found = find("helm")
    assert (found.origin, found.version, found.path) == (Origin.PATH, "3.20.1", go.folder / "helm")
    assert go.builds() == 0


@pytest.mark.parametrize("text", [says("v3.19.9"), says("v4.1.0"), says("nonsense"), "#!/bin/sh\nexit 1\n"])
def test_an_unfit_program_on_path_is_passed_over_with_a_word(cache, go, text):
    executable(go.folder / "helm", text)
    said: list[str] = []
    assert find("helm", report=said.append).origin is Origin.BUILD
    assert "needed is >=3.20 <4 || >=4.2 <5; looking further" in said[0]


def test_one_helm_on_path_serves_only_its_own_major(cache, go):
    executable(go.folder / "helm", says("v3.22.0"))
    assert find("helm3").origin is Origin.PATH
    assert find("helm4").origin is Origin.BUILD


def test_the_second_time_comes_from_the_cache(cache, go):
    said: list[str] = []
    first = find("helm", report=said.append)
    second = find("helm", report=said.append)
    assert (first.origin, second.origin) == (Origin.BUILD, Origin.CACHE)
    assert first.path == second.path
    assert go.builds() == 1
    assert [line.split(":")[1].split("(")[0].strip() for line in said] == ["building it", "built in 0 s"]


def test_another_go_builds_anew(cache, go, monkeypatch):
    find("helm4")
    monkeypatch.setenv("FAKE_GO_VERSION", "go2.0.0")
    assert find("helm4").origin is Origin.BUILD
    assert go.builds() == 2


def test_the_variable_wins_over_path(cache, go, tmp_path, monkeypatch):
    executable(go.folder / "helm", says("v3.22.0"))
    own = executable(tmp_path / "my-helm", says("v4.2.0"))
    monkeypatch.setenv("LLMDCTL_HELM", str(own))
    assert find("helm").path == own
    assert find("helm").origin is Origin.EXPLICIT


def test_the_argument_wins_over_the_variable(cache, go, tmp_path, monkeypatch):
    monkeypatch.setenv("LLMDCTL_HELM", "/nonexistent")
    own = executable(tmp_path / "my-helm", says("v4.2.0"))
    assert find("helm", path=own).path == own


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "LLMDCTL_HELM says .*, which is not a program"),
        (says("v3.12.0"), "which has version 3.12.0; llmdctl needs >=3.20"),
        (says("hello"), "a version that cannot be read"),
    ],
)
def test_an_explicit_choice_is_never_passed_over(cache, go, tmp_path, monkeypatch, text, complaint):
    own = tmp_path / "my-helm"
    if text:
        executable(own, text)
    monkeypatch.setenv("LLMDCTL_HELM", str(own))
    with pytest.raises(ProgramError, match=complaint):
        find("helm")
    assert go.builds() == 0


def test_a_program_that_cannot_tell_its_version_is_taken_by_path(cache, go, tmp_path, monkeypatch):
    monkeypatch.setenv("LLMDCTL_HELM_UNITTEST", str(executable(tmp_path / "untt", "#!/bin/sh\nexit 1\n")))
    assert find("helm-unittest").version == "unknown"


def test_a_failed_build_names_the_program_and_its_log(cache, go, monkeypatch):
    monkeypatch.setenv("FAKE_GO_FAILS", "1")
    with pytest.raises(ProgramError, match=r"building helm4 4\.3\.1 failed\npkg/x\.go:1: undefined: y") as caught:
        find("helm4")
    [log] = (cache / "logs").iterdir()
    assert str(log) in str(caught.value.remedy)
    assert log.read_text().startswith("$ go build -mod=readonly")
    monkeypatch.delenv("FAKE_GO_FAILS")
    assert find("helm4").origin is Origin.BUILD, "a failure must not stay in the cache"


def test_without_go_the_way_out_is_said(cache, bare_path):
    with pytest.raises(ProgramError, match="cannot be built: go is not installed") as caught:
        find("helm")
    assert "put a helm >=3.20 <4 || >=4.2 <5 on PATH" in str(caught.value.remedy)


@pytest.fixture
def gate(tmp_path, monkeypatch):
    """A named pipe that a build reads before it writes anything: opening it waits for the build to be there."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    monkeypatch.setenv("FAKE_GO_GATE", str(path))
    return path


def start() -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", FIND], stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )


def test_two_builds_at_once_are_one(cache, go, gate):
    with start() as first, gate.open("w") as opened, start() as second:
        assert second.stdout is not None
        assert "another llmdctl is making it; waiting" in second.stdout.readline()
        opened.write("go\n")
        opened.close()
        assert first.wait() == 0
        assert second.wait() == 0
    assert go.builds() == 1


def test_a_killed_build_leaves_nothing_that_counts(cache, go, gate, monkeypatch):
    with start() as first, gate.open("w"):
        [partial] = (cache / "partial").iterdir()
        os.killpg(first.pid, signal.SIGKILL)
    assert partial.exists(), "the test must have caught the build in the middle"
    monkeypatch.delenv("FAKE_GO_GATE")
    assert find("helm4").origin is Origin.BUILD
    assert list((cache / "partial").iterdir()) == []
    assert len(list((cache / "entries").iterdir())) == 1
