"""Running a program: Ctrl-C, time limits, the environment. The programs here are a line of Python each."""

from __future__ import annotations

import sys

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
