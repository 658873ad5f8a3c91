"""What goes wrong on a real cluster: who owns what, what is missing, what never becomes ready, what is cut off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from llmdctl import sandbox
from llmdctl.errors import (
    ClusterError,
    ConflictError,
    ForbiddenError,
    HelmError,
    Interrupted,
    RecipeError,
    UnauthenticatedError,
    WaitError,
)
from llmdctl.helm import Change, Helm, open_helm
from llmdctl.kube import Cluster, connect
from llmdctl.model.release import ObjectKey, Readiness
from llmdctl.release import Patience, diff, dry_run
from llmdctl.release.clock import SYSTEM_CLOCK, Clock
from llmdctl.release.events import Event, Noticed, Phase, PhaseStarted, WaitTick
from llmdctl.release.record import latest
from tests.e2e.release.conftest import CHART, LIMIT_S, Place
from tests.e2e.sandbox.objects import wait

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[3]


def widgets(group: str, *versions: str) -> dict[str, Any]:
    """A CustomResourceDefinition of Widget."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [
                {"name": name, "served": True, "storage": number == 0, "schema": schema}
                for number, name in enumerate(versions)
            ],
        },
    }


def test_a_foreign_object_is_left_alone(place: Place):
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "small-config", "namespace": place.namespace},
        "data": {"mine": "1"},
    }
    place.cluster.apply(config, field_manager="kubectl")
    with pytest.raises(ConflictError) as caught:
        place.install()
    assert caught.value.problems[0].message.endswith("belongs to whoever used kubectl")
    assert latest(place.cluster, "small", place.namespace) is None
    assert place.install(take_ownership=True, force_conflicts=True).outcome == "installed"


def test_a_foreign_field_manager_is_named_and_overruled_only_on_demand(place4: Place):
    place4.install()
    scale = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "small-decode", "namespace": place4.namespace},
        "spec": {"replicas": 4},
    }
    place4.cluster.apply(scale, field_manager="somebody", force=True)
    with pytest.raises(ConflictError, match=r"another field manager, 'somebody', owns \.spec\.replicas") as caught:
        place4.install(place4.spec(replicas=3))
    assert "--force-conflicts" in (caught.value.remedy or "")
    done = place4.install(place4.spec(replicas=3), force_conflicts=True)
    assert done.outcome == "upgraded"
    assert len([pod for pod in done.status.pods if pod.ready]) == 3


def test_helm_3_takes_every_field_as_it_always_did(plane: Any, cluster: Cluster, helm_of: Callable[[int], Helm]):
    place = Place(helm=helm_of(3), cluster=cluster, namespace=plane.namespace("rel"))
    place.install()
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "small-config", "namespace": place.namespace},
        "data": {"message": "by hand"},
    }
    place.cluster.apply(config, field_manager="somebody", force=True)
    assert place.install(force_conflicts=True).outcome == "upgraded"
    assert diff(place.spec(), **place.doors) == ()


def test_a_missing_crd_is_an_error_and_with_prerequisites_it_is_installed_first(place4: Place):
    group = f"{place4.namespace}.test"
    spec = place4.spec(widget=group)
    with pytest.raises(ClusterError, match="the cluster lacks what the recipe needs"):
        place4.install(spec)
    with pytest.raises(ClusterError, match="the cluster lacks what the recipe needs"):
        dry_run(spec, **place4.doors)
    done = place4.install(spec, with_prerequisites=True, crds=lambda: [widgets(group, "v1")])
    assert done.status.readiness is Readiness.READY
    assert place4.install(spec).outcome == "unchanged"
    place4.uninstall()
    key = ObjectKey(
        api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition", namespace=None, name=f"widgets.{group}"
    )
    assert place4.cluster.get(key) is not None, "a shared CRD was removed without being asked for"
    place4.cluster.delete(key)


def test_a_crd_of_another_owner_is_not_taken_over(place4: Place):
    group = f"{place4.namespace}.test"
    place4.cluster.apply(widgets(group, "v1alpha1"), field_manager="argocd-controller")
    with pytest.raises(ConflictError, match="belongs to argocd-controller and does not serve v1"):
        place4.install(
            place4.spec(widget=group), with_prerequisites=True, crds=lambda: [widgets(group, "v1", "v1alpha1")]
        )


def test_values_that_do_not_fit_give_their_path_before_anything_is_made(place4: Place):
    with pytest.raises(RecipeError) as caught:
        place4.install(place4.spec(replicas="two"))
    assert [problem.path for problem in caught.value.problems] == ["replicas"]
    with pytest.raises(RecipeError, match=r"^the chart says no$"):
        place4.install(place4.spec(refuse="the chart says no"))
    assert place4.left() == []


def test_an_object_that_the_server_refuses(place: Place):
    with pytest.raises(ClusterError, match="the API server refuses 1 of 4 objects") as caught:
        dry_run(place.spec(cpu="nonsense"), **place.doors)
    assert "quantities must match" in caught.value.problems[0].message
    with pytest.raises(HelmError, match="quantities must match"):
        place.install(place.spec(cpu="nonsense"), gate=None)
    assert place.install(gate=None).status.readiness is Readiness.READY


def test_the_schedulers_words_end_the_wait(place4: Place):
    with pytest.raises(WaitError, match=r"[12] pods? cannot become ready") as caught:
        place4.install(place4.spec(cpu="9000"), patience=Patience(unschedulable_s=0.5))
    assert "Insufficient cpu" in caught.value.problems[0].message


class Hurried:
    """A clock that is at the end of every wait as soon as the scheduler has said that there is no place for a pod."""

    skipped_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.skipped_s

    def on_event(self, event: Event) -> None:
        if isinstance(event, WaitTick) and all("FailedScheduling" in pod.reason for pod in event.pods) and event.pods:
            self.skipped_s = LIMIT_S


def test_a_timeout_says_what_is_missing_and_the_next_run_goes_on(place4: Place):
    hurried = Hurried()
    place4.on_event, place4.clock = hurried.on_event, Clock(monotonic=hurried.monotonic)
    with pytest.raises(WaitError, match=f"not ready after {LIMIT_S:.0f} s") as caught:
        place4.install(place4.spec(cpu="9000"))
    place4.on_event, place4.clock = lambda _: None, SYSTEM_CLOCK
    said = [problem.message for problem in caught.value.problems]
    assert any(message.startswith("Deployment/small-decode: ") for message in said)
    assert any("Insufficient cpu" in message for message in said)
    assert place4.install().status.readiness is Readiness.READY


def test_a_crash_loop_ends_the_wait_with_the_last_log_lines(plane: Any, place4: Place):
    place4.install()
    log = ("loading weights", "torch.OutOfMemoryError: CUDA out of memory")
    sandbox.fault(plane.name, sandbox.FaultKind.CRASH_LOOP, namespace=place4.namespace, log=log)
    with pytest.raises(WaitError, match="cannot become ready") as caught:  # and not that the time was over
        place4.install(place4.spec(message="new"), patience=Patience(restarts=1))
    assert "CrashLoopBackOff" in caught.value.problems[0].message
    assert "    torch.OutOfMemoryError: CUDA out of memory" in caught.value.problems[0].message


def signal_at(phase: Phase) -> Callable[[Event], None]:
    def on_event(event: Event) -> None:
        if isinstance(event, PhaseStarted) and event.phase is phase:
            signal.raise_signal(signal.SIGINT)

    return on_event


def test_ctrl_c_at_each_stage_converges_on_the_next_run(place4: Place):
    """Each run meets what the one before it left, and comes one stage further."""
    for phase in (Phase.CHECK, Phase.RENDER, Phase.RELEASE, Phase.WAIT):
        place4.on_event = signal_at(phase)
        with pytest.raises(Interrupted, match=f"interrupted in the stage '{phase.value}'"):
            place4.install()
    place4.on_event = lambda _: None
    assert place4.install().status.readiness is Readiness.READY
    place4.uninstall()
    assert place4.left() == []


def test_ctrl_c_while_helm_works_is_passed_on_and_converges(place: Place):
    def when_pending() -> None:
        wait("a pending release", lambda: (last := latest(place.cluster, "small", place.namespace)) and last.pending)
        os.kill(os.getpid(), signal.SIGINT)

    watcher = threading.Thread(target=when_pending)
    watcher.start()
    with pytest.raises(Interrupted, match="Helm was working on release small"):
        place.install(place.spec(hook=True))
    watcher.join()
    last = latest(place.cluster, "small", place.namespace)
    assert last is not None
    assert last.helm_status == "failed", "helm was not given the time to write down that it failed"
    assert place.install().status.readiness is Readiness.READY


def test_ctrl_c_while_removing_converges_on_the_next_run(place4: Place):
    place4.install()
    for phase in (Phase.REMOVE, Phase.WAIT_GONE):
        place4.on_event = signal_at(phase)
        with pytest.raises(Interrupted, match="interrupted while removing small"):
            place4.uninstall()
    place4.on_event = lambda _: None
    place4.uninstall()
    assert place4.left() == []


BEGINS = """
import os, sys
from pathlib import Path
from llmdctl.helm import Change, open_helm
kubeconfig, helm, namespace, chart = sys.argv[1:]
change = Change(name="small", namespace=namespace, chart=chart, values={"message": "hello"})
begun = open_helm(kubeconfig=Path(kubeconfig), path=Path(helm)).begin(change)
print(begun.started._process.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["killed", "abandoned"])
def test_a_helm_that_was_begun_changes_nothing_without_its_values(plane: Any, place: Place, how: str):
    """Also where llmdctl is killed, and helm meets the end of its input."""
    if how == "abandoned":
        place.helm.begin(Change(name="small", namespace=place.namespace, chart=str(CHART), values={})).abandon()
    else:
        line = [sys.executable, "-c", BEGINS, plane.kubeconfig, place.helm.engine.path, place.namespace, CHART]
        driver = subprocess.Popen(line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert driver.stdout is not None
        helm = int(driver.stdout.readline())
        driver.kill()
        driver.communicate()
        wait("the end of helm", lambda: not psutil.pid_exists(helm))
    assert place.left() == []


DRIVER = """
import sys
from pathlib import Path
from llmdctl.helm import open_helm
from llmdctl.kube import connect
from llmdctl.model.release import ReleaseSpec
from llmdctl.release import InstallOptions, install
kubeconfig, helm, namespace, chart = map(Path, sys.argv[1:])
spec = ReleaseSpec(name="small", namespace=str(namespace), chart=chart, values={"hook": True}, recipe="r", facets={},
                   evidence="derived")
install(spec, helm=open_helm(kubeconfig=kubeconfig, path=helm), cluster=connect(kubeconfig=kubeconfig),
        options=InstallOptions(gate=lambda cluster, spec, objects, report: spec))
"""


def kill_in_the_middle(plane: Any, place: Place) -> None:
    """Run an install whose Helm hangs in a hook, and end both with SIGKILL once the release is pending."""
    known = latest(place.cluster, "small", place.namespace)
    before = known.revision if known else 0
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, plane.kubeconfig, place.helm.engine.path, place.namespace, CHART], cwd=ROOT
    )
    try:
        wait("a new, pending revision", lambda: (last := latest(place.cluster, "small", place.namespace))
             and last.pending and last.revision > before)  # fmt: skip
        helm = psutil.Process(driver.pid).children()
        driver.kill()
        for process in helm:
            process.kill()
    finally:
        driver.kill()
        driver.wait()


def test_a_first_install_killed_in_pending_install_is_recovered(plane: Any, place: Place):
    kill_in_the_middle(plane, place)
    last = latest(place.cluster, "small", place.namespace)
    assert last is not None
    assert last.helm_status == "pending-install"
    done = place.install()
    assert (done.outcome, done.revision, done.status.readiness) == ("installed", 1, Readiness.READY)
    assert any("was killed: removing its remains" in e.message for e in place.events if isinstance(e, Noticed))


def test_an_upgrade_killed_in_pending_upgrade_is_recovered(plane: Any, place: Place):
    before = place.install()
    kill_in_the_middle(plane, place)
    done = place.install()
    assert (done.outcome, done.status.readiness) == ("unchanged", Readiness.READY), "going back is all there was to do"
    assert {pod.name for pod in done.status.pods if pod.ready} == {pod.name for pod in before.status.pods}
    assert place.install(place.spec(message="bye")).outcome == "upgraded"
    assert any("going back to revision 1" in e.message for e in place.events if isinstance(e, Noticed))


def test_a_killed_release_can_be_removed(plane: Any, place4: Place):
    kill_in_the_middle(plane, place4)
    place4.uninstall()
    left = [name for name in place4.left() if not name.startswith(("Job/", "Pod/small-hook"))]
    assert left == [], "hooks are Helm's to leave behind; nothing else may be"


def kubeconfig_with(plane: Any, folder: Path, user: dict[str, Any]) -> Path:
    import yaml

    config = yaml.safe_load(plane.kubeconfig.read_text())
    config["users"] = [{"name": config["contexts"][0]["context"]["user"], "user": user}]
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


def test_expired_credentials(plane: Any, place4: Place, tmp_path: Path):
    kubeconfig = kubeconfig_with(plane, tmp_path, {"token": "expired"})
    place4.cluster = connect(kubeconfig=kubeconfig)
    with pytest.raises(UnauthenticatedError, match="does not accept the credentials"):
        place4.install()


def test_an_identity_without_rights(plane: Any, place4: Place, tmp_path: Path):
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "reader", "namespace": place4.namespace},
    }
    place4.cluster.apply(account)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = f"/api/v1/namespaces/{place4.namespace}/serviceaccounts/reader/token"
    token = plane.api.request("POST", path, request)["status"]["token"]
    place4.cluster = connect(kubeconfig=kubeconfig_with(plane, tmp_path, {"token": token}))
    with pytest.raises(ForbiddenError, match="cannot list resource"):
        place4.install()


def test_one_who_is_at_home_in_a_namespace_needs_no_right_outside_it(plane: Any, place4: Place, tmp_path: Path):
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "tenant", "namespace": place4.namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "tenant", "namespace": place4.namespace}],
    }
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "tenant", "namespace": place4.namespace},
    }
    place4.cluster.apply(account)
    place4.cluster.apply(binding)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = f"/api/v1/namespaces/{place4.namespace}/serviceaccounts/tenant/token"
    token = plane.api.request("POST", path, request)["status"]["token"]
    kubeconfig = kubeconfig_with(plane, tmp_path, {"token": token})
    tenant = Place(
        helm=open_helm(kubeconfig=kubeconfig, path=place4.helm.engine.path),
        cluster=connect(kubeconfig=kubeconfig),
        namespace=place4.namespace,
    )
    with pytest.raises(ForbiddenError, match="nothing outside the namespace"):
        tenant.install(tenant.spec(clusterRole=True), namespace_only=True)
    dry_run(tenant.spec(), **tenant.doors)
    assert tenant.install(namespace_only=True).status.readiness is Readiness.READY
    assert tenant.install(namespace_only=True).outcome == "unchanged"
    assert diff(tenant.spec(), **tenant.doors) == ()
    tenant.uninstall()
    assert [name for name in place4.left() if not name.endswith("/tenant")] == []
