"""Many programs at once: which builds meet, which never do, and what is left when they are cut short."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from llmdctl.errors import ProgramError
from llmdctl.programs import CATALOG, Origin, download, find, gather
from llmdctl.programs.catalog import lane_of

from .conftest import executable

GATHER = """
import sys
from llmdctl import programs
programs.gather(sys.argv[1:], report=lambda line: print(line, flush=True))
"""
# A `go` whose builds of the two programs in FAKE_GO_PAIR each wait until the other one is there: opening a named pipe
# waits for its other end. It writes down when a build begins and ends.
_GO = """#!/bin/sh
case "$1" in
env) printf 'go1.99.0\\nlinux\\namd64\\n' ;;
build)
  while [ "$1" != -o ]; do shift; done
  name=${2##*/}
  echo "begins $name" >> "$FAKE_GO_CALLS"
  case "$name" in
  "${FAKE_GO_PAIR%%,*}") read _ < "$FAKE_GO_PIPE" ;;
  "${FAKE_GO_PAIR##*,}") echo here > "$FAKE_GO_PIPE" ;;
  esac
  if [ "$name" = "$FAKE_GO_FAILS" ]; then echo "pkg/x.go:1: undefined: y"; exit 1; fi
  printf '#!/bin/sh\\n' > "$2" && chmod +x "$2"
  echo "ends $name" >> "$FAKE_GO_CALLS" ;;
esac
"""


@pytest.fixture
def pair(cache, go, tmp_path, monkeypatch):
    """Names two builds that wait for each other."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setenv("FAKE_GO_PIPE", str(pipe))
    monkeypatch.setenv("FAKE_GO_FAILS", "")
    monkeypatch.setenv("FAKE_GO_PAIR", "nothing,nothing")
    executable(go.folder / "go", _GO)
    return lambda one, other: monkeypatch.setenv("FAKE_GO_PAIR", f"{one},{other}")


def begun(go) -> list[str]:
    return [line.split()[1] for line in go.calls.read_text().splitlines() if line.startswith("begins")]


def test_two_lanes_are_built_at_once_and_all_come_in_the_order_asked_for(pair, go):
    pair("kube-apiserver", "epp07")  # would wait for ever, were they built one after the other
    names = ["epp07", "kube-apiserver", "etcd", "coredns"]
    found = gather(names)
    assert list(found) == names
    assert {program.origin for program in found.values()} == {Origin.BUILD}
    assert sorted(begun(go)) == sorted(names)
    assert [found[name] for name in names] != [find(name) for name in names], "those come from the cache"
    assert {name: find(name).path for name in names} == {name: program.path for name, program in found.items()}


def test_the_first_is_built_alone_and_a_lane_waits_for_its_first(pair, go):
    lanes = (["coredns", "kubelet", "kube-proxy"], ["epp07", "sidecar07"])
    gather([*lanes[0], *lanes[1], "etcd"])
    lines = go.calls.read_text().splitlines()
    assert lines[:2] == ["begins etcd", "ends etcd"]
    for lane in lanes:
        own = [line for line in lines if line.split()[1] in lane]
        assert own[:2] == [f"begins {lane[0]}", f"ends {lane[0]}"]


def test_those_that_waited_are_built_two_at_a_time(pair, go):
    pair("kubelet", "kube-proxy")  # would wait for ever, were they built one after the other
    assert set(gather(["etcd", "kube-apiserver", "kubelet", "kube-proxy"])) == set(begun(go))


def test_what_is_there_is_not_built(pair, go, tmp_path, monkeypatch):
    kept = find("epp07")
    monkeypatch.setenv("LLMDCTL_COREDNS", str(executable(tmp_path / "own", "#!/bin/sh\necho CoreDNS-1.12.4\n")))
    found = gather(["epp07", "coredns"])
    assert (found["epp07"].path, found["epp07"].origin) == (kept.path, Origin.CACHE)
    assert found["coredns"].origin is Origin.EXPLICIT
    assert begun(go) == ["epp07"]


def test_progress_is_said_in_the_thread_of_the_caller(pair):
    import threading

    said: list[tuple[int, str]] = []
    gather(["etcd", "pause", "epp07"], report=lambda line: said.append((threading.get_ident(), line)))
    assert {thread for thread, _ in said} == {threading.get_ident()}
    assert (
        sorted(line.split(":")[1].split("(")[0].strip() for _, line in said)
        == ["building it"] * 3 + ["built in 0 s"] * 3
    )


def test_a_failure_ends_the_build_beside_it(pair, go, cache, monkeypatch, tmp_path):
    """The other one waits at the pipe, for nobody: it would never end by itself."""
    pair("epp07", "nothing")
    monkeypatch.setenv("FAKE_GO_FAILS", "kubelet")
    with pytest.raises(ProgramError, match=r"building kubelet 1\.34\.4 failed\npkg/x\.go:1: undefined: y"):
        gather(["etcd", "kubelet", "epp07", "kube-proxy"])
    assert "kube-proxy" not in begun(go), "nothing more is begun"
    assert list((cache / "partial").iterdir()) == []
    monkeypatch.setenv("FAKE_GO_FAILS", "")
    pair("nothing", "nothing")
    assert gather(["etcd", "kubelet", "epp07"])["etcd"].origin is Origin.CACHE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_it_leaves_nothing_that_counts(pair, go, cache, number):
    pair("epp07", "nothing")
    command = [sys.executable, "-c", GATHER, "etcd", "epp07"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as running:
        assert running.stdout is not None
        lines = (line.split(":")[0] for line in running.stdout)
        assert [next(lines), next(lines), next(lines)] == ["etcd 3.6.16", "etcd 3.6.16", "epp07 0.7.1"]
        running.send_signal(number)  # to this process alone, as a terminal would not
        assert running.wait() != 0
        if number is signal.SIGKILL:
            with contextlib.suppress(ProcessLookupError):  # what it can no longer end
                os.killpg(running.pid, signal.SIGKILL)
        else:
            with pytest.raises(ProcessLookupError):
                os.killpg(running.pid, 0)
    left = list((cache / "partial").iterdir())
    assert bool(left) == (number is signal.SIGKILL)
    pair("nothing", "nothing")
    found = gather(["etcd", "epp07"])
    assert (found["etcd"].origin, found["epp07"].origin) == (Origin.CACHE, Origin.BUILD)
    assert list((cache / "partial").iterdir()) == []


def test_an_archive_that_cannot_be_had_is_asked_for_once(pair, go, monkeypatch):
    archive = download.Download(url="file:///absent/x.tar.gz", digest="sha256:00", members={})
    monkeypatch.setitem(download.DOWNLOADS, ("kubernetes", _platform()), archive)
    monkeypatch.delenv("LLMDCTL_TOOLS")
    said: list[str] = []
    found = gather(["kubelet", "kube-proxy", "kube-scheduler"], report=said.append)
    assert sum("downloading" in line for line in said) == 1
    assert sum("download failed" in line for line in said) == 1
    assert {program.origin for program in found.values()} == {Origin.BUILD}


def _platform() -> str:
    import platform

    return f"{sys.platform}-{download._ARCHITECTURES.get(platform.machine(), platform.machine())}"


@pytest.mark.parametrize("program", CATALOG.values(), ids=lambda program: program.name)
def test_every_program_is_of_one_lane(program):
    from llmdctl.programs.catalog import LANES

    assert program.family in LANES[lane_of(program)]
    assert sum(program.family in lane for lane in LANES) == 1
