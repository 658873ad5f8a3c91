"""Releases that a killed process left half done, and those on which somebody is still at work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from llmdctl.errors import HelmError
from llmdctl.model.release import ObjectKey, Readiness
from llmdctl.release.events import Noticed
from llmdctl.release.facts import OPERATION
from llmdctl.release.operation import Operator, operator_of, this_operation
from tests.unit.release.conftest import World, spec


def killed(world: World, signature: str | None = None, **values: object) -> None:
    """A run that died in the middle of Helm's work; signed by this process unless told otherwise."""
    world.helm.die_after = 2
    with pytest.raises(BaseException):  # noqa: B017  however it died
        world.install(spec(**values))
    last = world.cluster.names("Secret")[-1]
    if signature is not None:
        world.cluster.find("Secret", last)["metadata"]["labels"][OPERATION] = signature
    world.helm.calls.clear()


def gone() -> str:
    """The signature of a process of this host that does not run."""
    host, _, _ = this_operation().split(".")
    return f"{host}.{2**22 + 1}.1"


def notices(world: World) -> list[str]:
    return [event.message for event in world.told(Noticed)]


@pytest.mark.parametrize("signature", [None, gone()], ids=["this process", "a process that ended"])
def test_a_first_install_that_was_killed_is_removed_and_made_again(world: World, signature: str | None):
    killed(world, signature)
    done = world.install()
    assert (done.outcome, done.revision, done.status.readiness) == ("installed", 1, Readiness.READY)
    assert [call for call in world.helm.calls if call in {"uninstall", "upgrade"}] == ["uninstall", "upgrade"]
    assert notices(world) == ["pd was left in pending-install by a process that was killed: removing its remains"]


def test_the_remains_are_gone_before_it_is_made_again(world: World):
    killed(world)
    config = ObjectKey(api_version="v1", kind="ConfigMap", namespace="llm", name="pd-config")
    world.cluster.finalized.add(config)
    began_s = world.time.elapsed_s
    world.time.at(began_s + 7.0, lambda: (world.cluster.finalized.clear(), world.cluster.remove(config)))
    world.install()
    assert world.time.elapsed_s >= began_s + 7.0
    assert "deletionTimestamp" not in world.cluster.objects[config]["metadata"]


def test_an_upgrade_that_was_killed_goes_back_first(world: World):
    world.install()
    killed(world, message="bye")
    done = world.install(spec(message="bye"))
    assert done.outcome == "upgraded"
    assert "rollback 1" in world.helm.calls
    assert "uninstall" not in world.helm.calls
    assert world.cluster.find("ConfigMap", "pd-config")["data"]["message"] == "bye"


@pytest.fixture
def orphan() -> Iterator[subprocess.Popen[bytes]]:
    """A process that carries the signature of one that ended, as a helm whose llmdctl was killed does."""
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()", f"--labels=x={gone()}"])
    yield process
    process.kill()
    process.wait()


def test_a_helm_that_outlived_its_llmdctl_is_waited_for(world: World, orphan: subprocess.Popen[bytes]):
    killed(world, gone())

    def ends_well() -> None:
        world.cluster.find("Secret", "sh.helm.release.v1.pd.v1")["metadata"]["labels"]["status"] = "deployed"
        orphan.kill()
        orphan.wait()

    began_s = world.time.elapsed_s
    world.time.at(began_s + 2.0, ends_well)
    world.install()
    assert world.time.elapsed_s >= began_s + 2.0
    assert "uninstall" not in world.helm.calls


@pytest.mark.usefixtures("orphan")
def test_but_not_for_ever(world: World):
    killed(world, gone())
    with pytest.raises(HelmError, match="still at work on release pd"):
        world.install()
    assert "uninstall" not in world.helm.calls


@pytest.mark.parametrize(
    ("signature", "by"),
    [
        (f"{this_operation().split('.')[0]}.{os.getppid()}.{int(psutil.Process(os.getppid()).create_time())}",
         "another llmdctl on this machine"),
        ("0123456789ab.12.34", "a process on another machine"),
        ("", "another tool"),
        ("garbage", "another tool"),
    ],
)  # fmt: skip
def test_nobody_who_may_be_at_work_is_disturbed(world: World, signature: str, by: str):
    killed(world, signature)
    with pytest.raises(HelmError, match=f"release pd is pending-install since .* {by}") as caught:
        world.install()
    assert "helm uninstall pd --namespace llm" in (caught.value.remedy or "")
    assert "uninstall" not in world.helm.calls


def test_after_a_quarter_of_an_hour_another_machine_is_not_at_work_any_more(world: World):
    killed(world, "0123456789ab.12.34")
    world.time.sleep(901)
    assert world.install().outcome == "installed"


def test_another_tool_may_take_its_time(world: World):
    world.install()
    killed(world, "", message="bye")
    world.time.sleep(10_000)
    with pytest.raises(HelmError, match="another tool") as caught:
        world.install()
    assert "helm rollback pd --namespace llm" in (caught.value.remedy or "")


def test_a_removal_that_was_killed_is_finished_first(world: World):
    world.install()
    world.cluster.find("Secret", "sh.helm.release.v1.pd.v1")["metadata"]["labels"]["status"] = "uninstalling"
    assert world.install().outcome == "installed"


def test_a_signature_names_its_process():
    assert operator_of(this_operation()) is Operator.THIS
    assert operator_of(gone()) is Operator.GONE
    host, pid, start = this_operation().split(".")
    assert operator_of(f"{host}.{os.getppid()}.1") is Operator.GONE, "the number was given to another process"
    assert operator_of(f"other.{pid}.{start}") is Operator.ELSEWHERE
