"""Running a program: Ctrl-C, time limits, the environment. The programs here are a line of Python each."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from llmdctl.errors import HelmError, Interrupted, ProgramError
from llmdctl.helm import process

LIMIT_S = 20.0
# Sends Ctrl-C to the test, as a terminal would, and then says what it was told.
INTERRUPTS = """
import os, signal, sys
signal.signal(signal.SIGINT, lambda *_: (sys.stderr.write("Release pd has been cancelled.\\n"), sys.exit(1)))
os.kill(os.getppid(), signal.SIGINT)
signal.pause()
"""
HANGS = """
import signal, sys
signal.signal(signal.SIGINT, lambda *_: (sys.stderr.write("stopping\\n"), sys.exit(1)))
signal.pause()
"""


def run(program: str, limit_s: float = LIMIT_S) -> process.Finished:
    return process.run([sys.executable, "-c", program], limit_s=limit_s)


def test_what_it_says_and_its_code_come_back():
    finished = run("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (finished.code, finished.stdout, finished.stderr) == (3, "out\n", "err\n")


def test_ctrl_c_reaches_the_program_and_its_last_words_reach_the_user():
    with pytest.raises(Interrupted, match=r"Release pd has been cancelled"):
        run(INTERRUPTS)


def test_past_its_limit_it_is_stopped_in_order():
    with pytest.raises(HelmError, match=r"did not end within 1 s .*stopping"):
        run(HANGS, limit_s=0.5 + 0.1)


def test_the_program_leads_a_process_group_of_its_own():
    assert run("import os; print(os.getpgid(0) == os.getpid())").stdout == "True\n"


def test_variables_that_would_lead_helm_elsewhere_are_left_out(monkeypatch: pytest.MonkeyPatch):
    names = ["HELM_KUBECONTEXT", "HELM_DRIVER", "HELM_DEBUG", "HELM_NAMESPACE", "HELM_CACHE_HOME"]
    for name in names:
        monkeypatch.setenv(name, "x")
    said = run("import os; print(sorted(n for n in os.environ if n.startswith('HELM_')))").stdout
    assert said == "['HELM_CACHE_HOME']\n"


def test_a_program_that_cannot_be_started_is_named():
    with pytest.raises(ProgramError, match=r"/nowhere/helm cannot be started: No such file"):
        process.run(["/nowhere/helm"], limit_s=LIMIT_S)


def test_bytes_that_are_no_text_do_no_harm():
    assert run(r"import sys; sys.stdout.buffer.write(b'\xff')").stdout == "\ufffd"


READS = """
import sys
first = sys.stdin.read(1)
print("read", first, flush=True)
print("rest", sys.stdin.read())
"""


def test_it_waits_for_the_rest_of_its_input():
    started = process.start([sys.executable, "-c", READS], first="{")
    assert started.finish("}", limit_s=LIMIT_S).stdout == "read {\nrest }\n"


def test_what_does_not_read_its_input_is_told_as_it_ended():
    started = process.start([sys.executable, "-c", "import sys; sys.exit('no rights')"], first="{")
    finished = started.finish("x" * 1_000_000, limit_s=LIMIT_S)
    assert (finished.code, finished.stderr) == (1, "no rights\n")


ENDS = """
import sys
sys.stdin.read(1)
open(sys.argv[1], "w").write("waiting")
sys.stdin.read()
open(sys.argv[2], "w")
"""


def test_what_is_abandoned_never_sees_the_end_of_its_input(tmp_path: Path):
    waiting, over = tmp_path / "waiting", tmp_path / "over"
    os.mkfifo(waiting)
    started = process.start([sys.executable, "-c", ENDS, str(waiting), str(over)], first="{")
    assert waiting.read_text() == "waiting"
    started.abandon()
    assert not over.exists()
