"""Removing: everything of its own, nothing of others, whatever state it is in."""

from __future__ import annotations

from typing import Any

import pytest

from llmdctl.errors import ForbiddenError, Interrupted, WaitError
from llmdctl.model.release import ObjectKey
from llmdctl.release import UninstallResult, inventory, uninstall
from llmdctl.release.events import Phase, PhaseStarted
from llmdctl.release.namespaces import namespace_key
from tests.fakes.cluster import crd
from tests.fakes.helm import FakeHelm
from tests.unit.release.conftest import World, spec

DEPLOYMENT = ObjectKey(api_version="apps/v1", kind="Deployment", namespace="llm", name="pd-decode")


def remove(world: World, **options: Any) -> UninstallResult:
    return uninstall("pd", "llm", **world.doors, clock=world.time.clock, report=world.events.append, **options)


def pod(name: str = "pd-decode-1") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "llm", "labels": {"app.kubernetes.io/instance": "pd"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


def left(world: World) -> set[str]:
    return {str(key) for key in world.cluster.objects}


def test_it_leaves_nothing_of_its_own(world: World):
    world.install(spec(clusterRole=True))
    done = remove(world)
    assert left(world) == set()
    assert {str(key) for key in done.removed} == {
        "ConfigMap/pd-config", "Service/pd-epp", "Deployment/pd-decode", "ClusterRole/pd", "Namespace/llm",
    }  # fmt: skip
    assert [event.phase for event in world.told(PhaseStarted)][-2:] == [Phase.REMOVE, Phase.WAIT_GONE]


def test_twice_is_no_error(world: World):
    world.install()
    remove(world)
    assert remove(world).removed == ()


def test_the_inventory_is_what_goes(world: World):
    world.install()
    world.cluster.put(pod())
    found = inventory("pd", "llm", **world.doors)
    assert [str(key) for key in found.objects] == ["ConfigMap/pd-config", "Service/pd-epp", "Deployment/pd-decode"]
    assert (found.pods, found.helm_status) == (("pd-decode-1",), "deployed")


def test_what_was_shown_is_not_asked_of_helm_again(world: World):
    world.install()
    shown = inventory("pd", "llm", **world.doors)
    world.install(spec(clusterRole=True))
    before = world.helm.calls.count("manifest")
    remove(world, seen=shown)
    assert world.helm.calls.count("manifest") == before + 1, "what was installed since has not been shown"
    assert left(world) == set()


def test_what_was_shown_is_looked_at_once_more_when_helm_has_ended(world: World):
    world.install()
    config = ObjectKey(api_version="v1", kind="ConfigMap", namespace="llm", name="pd-config")
    annotations = world.cluster.objects[config]["metadata"].setdefault("annotations", {})
    annotations["helm.sh/resource-policy"] = "keep"
    shown = inventory("pd", "llm", **world.doors)
    world.cluster.calls.clear()
    done = remove(world, seen=shown)
    assert {str(key) for key in done.removed} == {"Service/pd-epp", "Deployment/pd-decode", "Namespace/llm"}
    assert any(text.startswith("ConfigMap/pd-config: its annotation") for text in done.kept)
    assert world.cluster.calls.count(("get", "Service/pd-epp")) == 1


def test_the_inventory_of_nothing(world: World):
    found = inventory("pd", "llm", **world.doors)
    assert (found.objects, found.pods, found.helm_status) == ((), (), "not-found")


def test_it_waits_for_the_pods(world: World):
    world.install()
    world.cluster.put(pod())
    key = ObjectKey(api_version="v1", kind="Pod", namespace="llm", name="pd-decode-1")
    world.time.at(20.0, lambda: world.cluster.remove(key))
    remove(world)
    assert world.time.elapsed_s >= 20.0


def test_what_does_not_go_is_named_with_what_holds_it(world: World):
    world.install()
    world.cluster.finalized.add(DEPLOYMENT)
    with pytest.raises(WaitError, match="still there after 30 s") as caught:
        remove(world, timeout_s=30)
    assert [problem.message for problem in caught.value.problems] == [
        "Deployment/pd-decode: being deleted, held by the finalizer test/hold"
    ]
    world.cluster.finalized.clear()
    world.cluster.remove(DEPLOYMENT)
    assert str(remove(world).removed[-1]) == "Namespace/llm"


def test_a_half_installed_release_is_removed(world: World):
    world.helm.die_after = 2
    with pytest.raises(Interrupted):
        world.install()
    assert len(remove(world).removed) == 3
    assert left(world) == set()


def test_what_a_cut_off_removal_left_is_found_by_its_label(world: World):
    world.install()
    for name in world.cluster.names("Secret"):
        world.cluster.remove(ObjectKey(api_version="v1", kind="Secret", namespace="llm", name=name))
    assert {str(key) for key in remove(world).removed} == {
        "ConfigMap/pd-config", "Service/pd-epp", "Deployment/pd-decode", "Namespace/llm",
    }  # fmt: skip


def test_objects_that_an_earlier_revision_left_behind_go_too(world: World):
    world.install(spec(clusterRole=True))
    stray = dict(world.cluster.find("ClusterRole", "pd"))
    world.install(spec())
    world.cluster.put(stray)
    remove(world)
    assert "ClusterRole/pd" not in left(world)


def test_what_another_release_took_over_stays(world: World):
    world.install()
    world.cluster.objects[DEPLOYMENT]["metadata"]["annotations"]["meta.helm.sh/release-name"] = "other"
    remove(world)
    assert "Deployment/pd-decode" in left(world)


class Overtaken(FakeHelm):
    """While it removes, somebody else makes an object of the same name."""

    def uninstall(self, name: str, namespace: str, *, timeout_s: float) -> bool:
        done = super().uninstall(name, namespace, timeout_s=timeout_s)
        self.cluster.put({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "pd-epp", "namespace": "llm"}})
        return done


def test_what_somebody_else_makes_meanwhile_is_not_removed(world: World):
    world.helm = Overtaken(world.cluster, world.helm.chart)
    world.install()
    key = ObjectKey(api_version="v1", kind="Service", namespace="llm", name="pd-epp")
    assert "Service/pd-epp: somebody else made it meanwhile" in remove(world).kept
    assert key in world.cluster.objects


def test_what_helm_must_keep_is_said(world: World):
    world.install()
    world.cluster.objects[DEPLOYMENT]["metadata"]["annotations"]["helm.sh/resource-policy"] = "keep"
    kept = "Deployment/pd-decode: its annotation says that Helm must keep it"
    assert kept in inventory("pd", "llm", **world.doors).kept


def test_a_namespace_with_other_things_stays_and_says_why(world: World):
    world.install()
    world.cluster.put(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "llm-d-hf-token", "namespace": "llm"}}
    )
    world.cluster.put(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt", "namespace": "llm"}}
    )
    assert remove(world).kept == ("Namespace/llm: it holds Secret/llm-d-hf-token",)
    assert namespace_key("llm") in world.cluster.objects


def test_a_namespace_that_llmdctl_did_not_make_stays(world: World):
    world.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "llm"}})
    world.install()
    assert inventory("pd", "llm", **world.doors).kept == ("Namespace/llm: llmdctl did not make it",)
    assert remove(world).kept == ("Namespace/llm: llmdctl did not make it",)


def test_a_namespace_that_cannot_be_looked_through_stays(world: World):
    world.install()
    world.cluster.put(pod())
    key = ObjectKey(api_version="v1", kind="Pod", namespace="llm", name="pd-decode-1")

    def blind() -> None:
        world.cluster.remove(key)
        world.cluster.hidden.add("Service")

    world.time.at(1.0, blind)
    assert remove(world).kept == ("Namespace/llm: it cannot be seen whether it holds Service",)
    assert namespace_key("llm") in world.cluster.objects


def test_a_namespace_that_takes_its_time_is_waited_for(world: World):
    world.install()
    world.cluster.finalized.add(namespace_key("llm"))
    world.time.at(6.0, lambda: world.cluster.remove(namespace_key("llm")))
    assert str(remove(world).removed[-1]) == "Namespace/llm"
    assert world.time.elapsed_s >= 6.0


def test_a_namespace_that_may_not_be_removed_stays(world: World):
    world.install()

    def forbid() -> None:
        world.cluster.fail("delete", ForbiddenError("namespaces is forbidden"))

    world.cluster.put(pod())
    key = ObjectKey(api_version="v1", kind="Pod", namespace="llm", name="pd-decode-1")
    world.time.at(1.0, lambda: (world.cluster.remove(key), forbid()))
    assert remove(world).kept == ("Namespace/llm: it may not be removed",)


def with_crd(world: World) -> None:
    world.install(spec(widget=True), with_prerequisites=True, crds=lambda: [crd("widgets", "test.dev", "Widget", "v1")])


def test_crds_stay_unless_asked_for(world: World):
    with_crd(world)
    (kept,) = remove(world).kept
    assert kept.startswith("CustomResourceDefinitions that llmdctl applied (1)")
    assert world.cluster.names("CustomResourceDefinition") == ["widgets.test.dev"]


def test_crds_go_when_asked_for_and_nobody_uses_them(world: World):
    with_crd(world)
    remove(world, remove_crds=True)
    assert left(world) == set()


def test_crds_in_use_stay_even_when_asked_for(world: World):
    with_crd(world)
    world.cluster.put({"apiVersion": "test.dev/v1", "kind": "Widget", "metadata": {"name": "mine", "namespace": "x"}})
    done = remove(world, remove_crds=True)
    assert "CustomResourceDefinition/widgets.test.dev: objects of it are left" in done.kept


@pytest.mark.parametrize(
    ("method", "said"), [("list_objects", "nothing was removed"), ("delete", "its removal had begun")]
)
def test_ctrl_c_tells_how_far_it_was_and_the_next_run_finishes(world: World, method: str, said: str):
    world.install()
    world.cluster.fail(method, KeyboardInterrupt())
    with pytest.raises(Interrupted, match=said):
        remove(world)
    remove(world)
    assert left(world) == set()
