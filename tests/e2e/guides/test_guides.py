"""Every `sh` block of every guide runs, in its order, in one folder that looks like a checkout.

The sandbox of the first guide is also watched from its start, over one that was killed and beside another, to its end:
starting an API server costs ten seconds of a processor, so what else wants a control plane of its own is tried in it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from llmdctl import programs, sandbox
from llmdctl.errors import UsageError
from llmdctl.sandbox import record
from llmdctl.sandbox.home import Home, home
from llmdctl.sandbox.plane import administrator
from llmdctl.sandbox.processes import belonging_to
from llmdctl.sandbox.record import Record
from tests.e2e.conftest import Plane, simulated
from tests.e2e.guides import warm
from tests.e2e.guides.pages import FIRST, NAME, PAGES, ROOT, blocks
from tests.e2e.preflight import placing
from tests.e2e.sandbox.objects import NODES, wait

pytestmark = pytest.mark.e2e

BRING_UP = f"""
from llmdctl import sandbox
sandbox.up("{NAME}", nodes=[sandbox.SimulatedNodes(accelerator="cpu", count=1, template={{}})])
"""


@pytest.fixture(scope="module")
def llmdctl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with warm.command(tmp_path_factory.mktemp("warm")) as program:
        yield program


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """What a guide's commands find: charts/ and paths/ of this checkout, llmdctl and helm on PATH."""

    folder: Path

    @classmethod
    def made(cls, folder: Path, llmdctl: Path) -> Checkout:
        """One in an empty folder."""
        for name in ("charts", "paths"):
            (folder / name).symlink_to(ROOT / name)
        commands = folder / ".bin"
        commands.mkdir()
        (commands / "helm").symlink_to(programs.find("helm").path)
        (commands / "llmdctl").symlink_to(llmdctl)
        return cls(folder=folder)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def run(self, *commands: str, **variables: str) -> None:
        """All of them in one shell, up to the first that fails."""
        environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"} | {
            "PATH": f"{self.folder / '.bin'}:{os.environ['PATH']}",
            "LLMDCTL_STATE": str(self.state),
            **variables,
        }
        script = "\n".join(["set -euxo pipefail", *commands])
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=environment, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


@pytest.mark.parametrize("guide", PAGES)
def test_commands_run(guide: str, tmp_path: Path, llmdctl: Path) -> None:
    checkout = Checkout.made(tmp_path, llmdctl)
    checkout.run(*blocks(guide))
    if guide == "helm-only":
        assert same_objects(tmp_path / "again.yaml", tmp_path / "out" / "manifests.yaml")


def same_objects(first: Path, second: Path) -> bool:
    from llmdctl.helm import parse_manifests

    return list(parse_manifests(first.read_text())) == list(parse_manifests(second.read_text()))


@dataclass(frozen=True, kw_only=True)
class Guided:
    """The sandbox of the first guide, once its page has brought it up."""

    checkout: Checkout
    place: Home
    left_over: frozenset[int]  # processes of the start that was killed before


@pytest.fixture(scope="module")
def guided(plane: Plane, tmp_path_factory: pytest.TempPathFactory, llmdctl: Path) -> Iterator[Guided]:
    """Over a start that was killed as soon as the second process ran. Whatever a failing test left in it is ended."""
    checkout = Checkout.made(tmp_path_factory.mktemp("checkout"), llmdctl)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMDCTL_STATE", str(checkout.state))
        place = home(NAME)
        try:
            with subprocess.Popen([sys.executable, "-c", BRING_UP]) as tool:
                wait("2 processes", lambda: len(belonging_to(place.path)) >= 2)
                tool.send_signal(signal.SIGKILL)
            assert sandbox.status(NAME).state is sandbox.State.INCOMPLETE
            left_over = frozenset(belonging_to(place.path))
            checkout.run(*FIRST.beginning)
            yield Guided(checkout=checkout, place=place, left_over=left_over)
        finally:
            sandbox.down(NAME)


def test_it_is_up_over_a_killed_start_and_beside_another(plane: Plane, guided: Guided) -> None:
    assert not guided.left_over & set(belonging_to(guided.place.path)), "processes of the killed start live on"
    status = sandbox.status(NAME)
    assert status.state is sandbox.State.UP
    assert not set(status.ports.values()) & set(plane.status.ports.values())
    assert [node.name for node in status.nodes] == ["cpu-0", "h200-0", "h200-1"]
    assert plane.api.ready()
    with administrator(guided.place, recorded(guided).ports) as api:
        taints = [taint["key"] for node in api.items(NODES.url()) for taint in node["spec"].get("taints") or ()]
    assert "node.kubernetes.io/not-ready" not in taints, "pods may go to every node as soon as up has ended"


def test_the_commands_of_the_first_guide_run_in_it(guided: Guided) -> None:
    guided.checkout.run(*FIRST.middle, KUBECONFIG=str(sandbox.status(NAME).kubeconfig))


def test_a_second_up_keeps_what_runs(guided: Guided) -> None:
    pids = [process.pid for process in sandbox.status(NAME).processes]
    again = sandbox.up(NAME, nodes=simulated({"l4": 2}))
    assert [process.pid for process in again.processes] == pids
    assert [node.name for node in again.nodes] == ["l4-0", "l4-1"]


def test_the_scheduler_places_what_was_predicted(guided: Guided) -> None:
    with administrator(guided.place, recorded(guided).ports) as api:
        placing.check(api, sandbox.status(NAME).kubeconfig)


def test_the_loss_of_a_process_is_seen_and_down_leaves_nothing(guided: Guided) -> None:
    found = recorded(guided)
    psutil.Process(found.processes[-1].pid).kill()
    wait("the loss", lambda: sandbox.status(NAME).state is sandbox.State.BROKEN)
    guided.checkout.run(*FIRST.end)
    assert not [process.component for process in found.processes if process.alive]
    assert not guided.checkout.state.exists()
    with pytest.raises(UsageError, match=f"there is no sandbox '{NAME}'"):
        sandbox.status(NAME)


def recorded(guided: Guided) -> Record:
    found = record.read(guided.place)
    assert found is not None
    return found
