"""`make bench`: each row measures llmdctl and its yardstick in turn, in this one run, and prints the ratio.

Medians of interleaved runs, so that a busy machine slows both sides alike. Nothing fails here: a goal missed is
printed as missed. The first line is no comparison: how long the whole default matrix takes to enumerate and validate.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench import large_cluster, latency
from tests.cells.judging import judge

BIN = Path(sys.executable).parent
LLMDCTL = str(BIN / "llmdctl")
CHART = Path(__file__).resolve().parents[2] / "charts" / "llmd"
RECIPE = "pd-disaggregation"
MATRIX_S = 60  # seconds for the whole default matrix on two cores
PROCESSES = 2
# Where it is set, each process compiles again what has changed since somebody compiled it: no user's measure.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

HELLO = """
import typer
app = typer.Typer(pretty_exceptions_enable=False)
@app.command("hello")
def hello(name: str = "world") -> None:
    "Say hello."
@app.command("bye")
def bye() -> None:
    "Say bye."
app()
"""


@dataclass(frozen=True)
class Row:
    """One comparison: seconds of ours, seconds of the yardstick, and the goal in words and as a test."""

    name: str
    ours_s: float
    yardstick_s: float
    goal: str
    met: Callable[[float, float], bool]

    def __str__(self) -> str:
        verdict = "met" if self.met(self.ours_s, self.yardstick_s) else "MISSED"
        ratio = self.ours_s / self.yardstick_s
        return (
            f"{self.name:<44}{self.ours_s:9.3f} s{self.yardstick_s:9.3f} s{ratio:8.2f} x   goal {self.goal}: {verdict}"
        )


def timed(command: list[str]) -> float:
    """Wall seconds of one process; a failing command ends the benchmark."""
    started = time.perf_counter()
    subprocess.run(command, check=True, env=ENVIRONMENT, **QUIET)
    return time.perf_counter() - started


def interleaved(ours: Callable[[], float], yardstick: Callable[[], float], rounds: int) -> tuple[float, float]:
    """Medians of both sides, measured in turn after one warm-up each."""
    ours(), yardstick()
    pairs = [(ours(), yardstick()) for _ in range(rounds)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def render_row(helm: str, folder: Path) -> Row:
    """A cold `llmdctl render` against `helm template` of the same chart and values."""
    subprocess.run([LLMDCTL, "render", RECIPE, "--to", str(folder)], check=True, **QUIET)
    values = str(folder / "values.yaml")
    ours, yardstick = interleaved(
        lambda: timed([LLMDCTL, "render", RECIPE]),
        lambda: timed([helm, "template", RECIPE, str(CHART), "-f", values, "--kube-version", "1.34.4"]),
        rounds=7,
    )
    return Row(
        "render, cold process / helm template", ours, yardstick, "<= 1.15 x + 0.35 s", lambda a, b: a <= 1.15 * b + 0.35
    )


def help_row() -> Row:
    """`llmdctl --help` against the smallest typer program with two commands."""
    ours, yardstick = interleaved(
        lambda: timed([LLMDCTL, "--help"]),
        lambda: timed([sys.executable, "-c", HELLO, "--help"]),
        rounds=15,
    )
    return Row("--help / typer hello world", ours, yardstick, "<= 1.3 x", lambda a, b: a <= 1.3 * b)


def install_row(helm: str, folder: Path, kubeconfig: str) -> Row:
    """`llmdctl install` against `helm upgrade --install --wait` of the rendered folder, both from nothing to ready."""
    subprocess.run([LLMDCTL, "render", RECIPE, "--to", str(folder)], check=True, **QUIET)
    reach, values = ["--kubeconfig", kubeconfig], str(folder / "values.yaml")

    def ours() -> float:
        seconds = timed([LLMDCTL, "install", RECIPE, "-n", "bench-ours", *reach])
        subprocess.run([LLMDCTL, "uninstall", RECIPE, "-n", "bench-ours", "--yes", *reach], check=True, **QUIET)
        return seconds

    def yardstick() -> float:
        name, wait = ["-n", "bench-helm", *reach], ["--wait", "--timeout", "300s"]
        seconds = timed(
            [helm, "upgrade", "--install", RECIPE, str(CHART), "-f", values, "--create-namespace", *wait, *name]
        )
        subprocess.run([helm, "uninstall", RECIPE, "--wait", *name], check=True, **QUIET)
        return seconds

    a, b = interleaved(ours, yardstick, rounds=5)
    return Row("install on the sandbox / helm --wait", a, b, "<= 1.1 x", lambda a, b: a <= 1.1 * b)


@contextlib.contextmanager
def sandbox() -> Iterator[str]:
    """A control plane of its own for the time of the benchmark; yields its kubeconfig."""
    name = f"bench-{os.getpid()}"
    subprocess.run([LLMDCTL, "sandbox", "up", "--name", name, "--nodes", "h200=2,cpu=1"], check=True, **QUIET)
    try:
        status = subprocess.run(
            [LLMDCTL, "sandbox", "status", "--name", name, "-o", "json"], check=True, capture_output=True, text=True
        )
        yield str(json.loads(status.stdout)["kubeconfig"])
    finally:
        subprocess.run([LLMDCTL, "sandbox", "down", "--name", name], check=True, **QUIET)


def matrix_lines() -> Iterator[str]:
    """The default matrix: every combination enumerated, every cell composed, built and rendered.

    First from nothing; then with what that run remembered, as after a change of one facet.
    """
    for how in ("from nothing", "again"):
        started, cpu = time.perf_counter(), children_s()
        found = judge(PROCESSES, remember=True, forget=how == "from nothing")
        seconds, spent = time.perf_counter() - started, children_s() - cpu
        cells, considered = sum(found.kept.values()), sum(found.considered.values())
        verdict = "met" if seconds <= MATRIX_S else "MISSED"
        yield (
            f"default matrix, {how}: {cells} cells of {considered} combinations, {found.rendered} distinct charts,"
            f" {len(found.failures)} failed: {seconds:.1f} s ({spent:.0f} s of CPU), {cells / seconds:.0f} cells/s"
            f" on {PROCESSES} processes   goal <= {MATRIX_S} s: {verdict}"
        )


def children_s() -> float:
    """CPU seconds of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


ROWS = ("cells", "help", "render", "install", "inventory", "latency")


def main() -> None:
    """Measure and print the rows that the arguments name; all of them without arguments."""
    from llmdctl import programs

    rows = sys.argv[1:] or ROWS
    if unknown := set(rows) - set(ROWS):
        sys.exit(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    if "cells" in rows:
        for line in matrix_lines():
            print(line, flush=True)
    helm = str(programs.find("helm").path)
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'':<44}{'llmdctl':>11}{'yardstick':>11}{'ratio':>10}")
        if "help" in rows:
            print(help_row(), flush=True)
        if "render" in rows:
            print(render_row(helm, Path(folder)), flush=True)
        if "install" in rows:
            with sandbox() as kubeconfig:
                print(install_row(helm, Path(folder), kubeconfig), flush=True)
    if "inventory" in rows:
        for line in large_cluster.lines(LLMDCTL, shutil.which("kubectl")):
            print(line, flush=True)
    if "latency" in rows:
        for line in latency.rows():
            print(line, flush=True)


if __name__ == "__main__":
    main()
