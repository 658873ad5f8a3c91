"""Installing: first, again, changed; interrupted in every stage; against what others own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from llmdctl.errors import (
    ClusterError,
    ConflictError,
    ForbiddenError,
    Interrupted,
    LlmdctlError,
    RecipeError,
    WaitError,
)
from llmdctl.model.release import ObjectKey, Prerequisite, Readiness
from llmdctl.release import InstallOptions, diff, dry_run, install, releases, status
from llmdctl.release.events import Noticed, ObjectChanged, Phase, PhaseStarted
from llmdctl.release.namespaces import namespace_key
from tests.fakes.cluster import crd
from tests.fakes.helm import FakeHelm
from tests.unit.release.conftest import World, spec

CONFIG = ObjectKey(api_version="v1", kind="ConfigMap", namespace="llm", name="pd-config")
DEPLOYMENT = ObjectKey(api_version="apps/v1", kind="Deployment", namespace="llm", name="pd-decode")


def test_a_first_install_makes_everything_and_waits(world: World):
    done = world.install()
    assert (done.outcome, done.revision, done.notes) == ("installed", 1, "notes")
    assert done.status.readiness is Readiness.READY
    assert done.status.endpoint == "http://pd-epp.llm.svc:80"
    assert [event.phase for event in world.told(PhaseStarted)] == [
        Phase.CHECK, Phase.RENDER, Phase.RELEASE, Phase.WAIT,
    ]  # fmt: skip
    assert [str(event.key) for event in world.told(ObjectChanged)] == [
        "Namespace/llm", "ConfigMap/pd-config", "Service/pd-epp", "Deployment/pd-decode",
    ]  # fmt: skip


def test_in_a_namespace_just_made_nobody_can_own_anything(world: World):
    world.install()
    assert ("get", "ConfigMap/pd-config") not in world.cluster.calls
    assert ("get", "Deployment/pd-decode") in world.cluster.calls, "by the wait"


def test_the_release_remembers_how_it_was_made(world: World):
    world.install()
    (found,) = releases(world.cluster)
    assert (found.name, found.namespace, found.helm_status) == ("pd", "llm", "deployed")
    assert found.facts.recipe == "pd-disaggregation"
    assert found.facts.facets == {"engine": "vllm", "kv_tier": "none"}
    assert found.facts.evidence == "derived"


def test_again_without_a_change_makes_no_revision(world: World):
    world.install()
    world.helm.calls.clear()
    done = world.install()
    assert (done.outcome, done.revision) == ("unchanged", 1)
    assert "upgrade" not in world.helm.calls


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("a value", {"values": {"message": "bye"}}),
    ("a value that renders the same", {"values": {"unused": 1}}),
    ("evidence", {"evidence": "nightly"}),
    ("a facet", {"facets": {"engine": "sglang", "kv_tier": "none"}}),
    ("the recipe", {"recipe": "optimized-baseline"}),
    ("forced", {"forced": True}),
]


@pytest.mark.parametrize("change", [case[1] for case in CHANGES], ids=[case[0] for case in CHANGES])
def test_any_change_makes_one_revision(world: World, change: dict[str, Any]):
    world.install()
    done = world.install(replace(spec(), **change))
    assert (done.outcome, done.revision) == ("upgraded", 2)
    assert world.install(replace(spec(), **change)).outcome == "unchanged"


def test_a_new_chart_with_the_same_values_makes_a_revision(world: World):
    world.install()
    before = world.helm.chart
    world.helm.chart = lambda name, values: before(name, {**values, "message": "of the new chart"})
    assert world.install().outcome == "upgraded"
    assert world.install().outcome == "unchanged"


@pytest.mark.parametrize("behind_our_back", ["removed", "changed"])
def test_what_was_changed_in_the_cluster_is_put_back(world: World, behind_our_back: str):
    world.install()
    if behind_our_back == "removed":
        world.cluster.remove(CONFIG)
    else:
        world.cluster.objects[CONFIG]["data"]["message"] = "by hand"
    done = world.install()
    assert done.outcome == "upgraded"
    assert world.cluster.objects[CONFIG]["data"]["message"] == "hello"
    assert "ConfigMap/pd-config was changed or removed since: putting it back" in [
        event.message for event in world.told(Noticed)
    ]


def test_a_failed_revision_is_followed_by_another_try(world: World):
    world.helm.die_after, world.helm.death = 1, ClusterError("webhook says no")
    with pytest.raises(ClusterError, match="webhook"):
        world.install()
    secret = world.cluster.find("Secret", "sh.helm.release.v1.pd.v1")
    secret["metadata"]["labels"]["status"] = "failed"
    done = world.install()
    assert done.revision == 2
    assert done.status.readiness is Readiness.READY


def stop_in_check(world: World) -> None:
    world.cluster.fail("version", KeyboardInterrupt())


def stop_in_namespace(world: World) -> None:
    world.cluster.fail("create", KeyboardInterrupt())


def stop_in_render(world: World) -> None:
    def stop(obj: dict[str, Any]) -> None:
        if obj["kind"] == "Namespace":
            world.cluster.fail("list_objects", KeyboardInterrupt())

    world.cluster.controllers.append(stop)


def stop_in_helm(world: World) -> None:
    world.helm.die_after = 1


def stop_as_helm_stops(world: World) -> None:
    world.helm.die_after, world.helm.death = 2, Interrupted("helm was told to stop; it said: cancelled")


def stop_in_wait(world: World) -> None:
    world.cluster.controllers.clear()
    world.time.at(1.0, lambda: world.cluster.fail("get", KeyboardInterrupt()))


def stop_in_prerequisites(world: World) -> None:
    world.cluster.fail("apply", KeyboardInterrupt())


STOPS = [
    (stop_in_prerequisites, "'prerequisites': the installation of prerequisites had begun"),
    (stop_in_check, "'check': nothing was changed"),
    (stop_in_namespace, "'check': nothing was changed"),
    (stop_in_render, "'render': namespace llm was made"),
    (stop_in_helm, "'release': namespace llm was made; Helm was working on release pd"),
    (stop_as_helm_stops, "'release': namespace llm was made; Helm was working on release pd .*cancelled"),
    (stop_in_wait, "'wait': namespace llm was made; release pd was handed to the cluster"),
]


@pytest.mark.parametrize(("stop", "said"), STOPS, ids=[stop.__name__ for stop, _ in STOPS])
def test_ctrl_c_in_each_stage_tells_what_was_done_and_the_next_run_converges(world: World, stop: Any, said: str):
    controllers = list(world.cluster.controllers)
    options = {"with_prerequisites": True, "crds": lambda: [crd("widgets", "test.dev", "Widget", "v1")]}
    stop(world)
    with pytest.raises(Interrupted, match=said) as caught:
        world.install(spec(widget=stop is stop_in_prerequisites), **options)
    assert "Run the same command again" in (caught.value.remedy or "")
    world.cluster.controllers[:] = controllers
    for obj in list(world.cluster.objects.values()):
        world.cluster.put(obj)  # the controllers catch up
    assert world.install(spec(widget=True), **options).status.readiness is Readiness.READY
    assert world.install(spec(widget=True), **options).outcome == "unchanged"


def test_what_is_refused_is_refused_before_anything_is_made(world: World):
    def judge(objects: Sequence[Any]) -> None:
        raise RecipeError(f"{len(objects)} objects cannot work")

    with pytest.raises(RecipeError, match="3 objects cannot work"):
        world.install(judge=judge)
    with pytest.raises(RecipeError, match="3 objects cannot work"):
        dry_run(spec(), renderer=world.helm, options=InstallOptions(judge=judge))
    with pytest.raises(RecipeError, match="3 objects cannot work"):
        dry_run(spec(), **world.doors, options=InstallOptions(judge=judge))
    assert world.cluster.objects == {}


def test_a_renderer_takes_over_what_needs_no_cluster(world: World):
    renderer = FakeHelm(world.cluster, world.helm.chart)
    install(spec(), **world.doors, renderer=renderer, clock=world.time.clock)
    assert (renderer.calls, "render" in world.helm.calls) == (["render"], False)


def test_remains_of_a_killed_run_are_not_touched_before_everything_else_is_known_to_fit(world: World):
    stop_in_helm(world)
    with pytest.raises(Interrupted):
        world.install()
    before = dict(world.cluster.objects)
    with pytest.raises(ClusterError, match="the cluster lacks"):
        world.install(spec(widget=True))
    assert world.cluster.objects == before


def test_what_others_own_is_refused_all_at_once_before_anything_is_made(world: World):
    world.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "llm"}})
    other = {"meta.helm.sh/release-name": "other", "meta.helm.sh/release-namespace": "x"}
    world.cluster.put(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "pd-config", "namespace": "llm", "annotations": other},
        }
    )
    managed = [{"manager": "kubectl-client-side-apply", "operation": "Update"}]
    world.cluster.put(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "pd-epp", "namespace": "llm", "managedFields": managed},
        }
    )
    with pytest.raises(ConflictError) as caught:
        world.install()
    assert [problem.message for problem in caught.value.problems] == [
        "ConfigMap/pd-config in namespace llm belongs to Helm release other in namespace x",
        "Service/pd-epp in namespace llm belongs to whoever used kubectl-client-side-apply",
    ]
    assert "upgrade" not in world.helm.calls
    assert world.install(take_ownership=True).outcome == "installed"


def test_a_missing_kind_is_named_with_the_remedy_and_nothing_is_made(world: World):
    with pytest.raises(ClusterError) as caught:
        world.install(spec(widget=True))
    assert caught.value.problems[0].message.startswith("Widget in test.dev/v1 is not served")
    assert "--with-prerequisites" in (caught.value.remedy or "")
    assert namespace_key("llm") not in world.cluster.objects


def test_with_prerequisites_the_pinned_crd_is_installed_first(world: World):
    done = world.install(
        spec(widget=True), with_prerequisites=True, crds=lambda: [crd("widgets", "test.dev", "Widget", "v1")]
    )
    assert done.outcome == "installed"
    assert world.cluster.names("CustomResourceDefinition") == ["widgets.test.dev"]
    assert world.cluster.names("Widget") == ["pd"]


def test_pinned_crds_are_not_even_read_when_nothing_is_missing(world: World):
    def never() -> list[dict[str, Any]]:
        raise AssertionError("crds() was called")

    world.install(with_prerequisites=True, crds=never)


def test_a_required_crd_that_is_not_rendered_is_missed_too(world: World):
    needed = Prerequisite(
        name="gaie", title="Inference Extension", kind="crds", version="1.5.0", crds=("pools.gaie.dev",),
        manifest="https://gaie.example/manifests.yaml",
    )  # fmt: skip
    with pytest.raises(ClusterError) as caught:
        world.install(replace(spec(), prerequisites=(needed,)))
    (problem,) = caught.value.problems
    assert problem.message == "pools.gaie.dev is missing (Inference Extension 1.5.0)"
    assert "https://gaie.example/manifests.yaml" in (problem.remedy or "")


def test_namespace_only_makes_nothing_outside_the_namespace(world: World):
    with pytest.raises(ClusterError, match="--namespace-only makes none"):
        world.install(namespace_only=True)
    world.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "llm"}})
    with pytest.raises(ForbiddenError) as caught:
        world.install(spec(clusterRole=True), namespace_only=True)
    assert [problem.message for problem in caught.value.problems] == ["ClusterRole/pd belongs to no namespace"]
    assert world.install(namespace_only=True).outcome == "installed"


def test_a_namespace_that_may_not_be_read_is_taken_to_be_there(world: World):
    world.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "llm"}})
    world.cluster.fail("get", ForbiddenError("namespaces is forbidden"))
    assert world.install(namespace_only=True).outcome == "installed"


def test_a_namespace_that_goes_is_not_used(world: World):
    going = {"name": "llm", "deletionTimestamp": "now"}
    world.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": going})
    with pytest.raises(ClusterError, match="namespace llm is being deleted"):
        world.install()


def test_without_wait_it_returns_at_once_with_the_state(world: World):
    world.cluster.controllers.clear()
    done = world.install(wait=False)
    assert world.time.elapsed_s == 0
    assert done.status.readiness is Readiness.PROGRESSING


def test_the_wait_is_bounded_by_the_startup_budget_and_five_minutes(world: World):
    world.cluster.controllers.clear()
    with pytest.raises(WaitError, match="not ready after 360 s"):
        world.install()


def test_options_reach_helm(world: World):
    world.install(take_ownership=True, force_conflicts=True)
    (change,) = world.helm.changes
    assert change.take_ownership
    assert change.force_conflicts
    assert change.description == "recipe pd-disaggregation (derived)"
    assert change.labels["llmdctl.dev/recipe"] == "pd-disaggregation"


def test_errors_of_helm_go_through(world: World):
    world.helm.die_after, world.helm.death = 0, ConflictError("fields")
    with pytest.raises(LlmdctlError, match="fields"):
        world.install()


def test_status_of_what_is_not_there(world: World):
    found = status("pd", "llm", **world.doors)
    assert (found.helm_status, found.readiness) == ("not-found", Readiness.UNKNOWN)


def test_status_of_a_failed_release_is_failed_though_its_objects_are_well(world: World):
    world.install()
    world.cluster.find("Secret", "sh.helm.release.v1.pd.v1")["metadata"]["labels"]["status"] = "failed"
    found = status("pd", "llm", **world.doors, clock=world.time.clock)
    assert found.readiness is Readiness.FAILED


def test_diff_of_a_new_release_is_all_of_it_and_changes_nothing(world: World):
    before = dict(world.cluster.objects)
    changes = diff(spec(), **world.doors)
    assert {change.action for change in changes} == {"create"}
    assert world.cluster.objects == before


def test_diff_shows_lines_and_an_unchanged_release_has_none(world: World):
    world.install()
    assert diff(spec(), **world.doors) == ()
    (change,) = diff(spec(message="bye"), **world.doors)
    assert (str(change.key), change.action) == ("ConfigMap/pd-config", "change")
    assert {"-  message: hello", "+  message: bye"} <= set(change.lines)


def test_diff_shows_what_was_changed_behind_helm(world: World):
    world.install()
    world.cluster.objects[DEPLOYMENT]["spec"]["replicas"] = 7
    (change,) = diff(spec(), **world.doors)
    assert {"-  replicas: 7", "+  replicas: 1"} <= set(change.lines)
