"""Install, again, change, remove, on a real API server with real controllers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from llmdctl.helm import Helm
from llmdctl.kube import Cluster
from llmdctl.model.release import ObjectKey, Readiness
from llmdctl.release import diff, dry_run, inventory, releases, status
from tests.e2e.release.conftest import Place

pytestmark = pytest.mark.e2e


def deployment(place: Place) -> ObjectKey:
    return ObjectKey(api_version="apps/v1", kind="Deployment", namespace=place.namespace, name="small-decode")


def test_the_whole_life_of_a_release(place: Place):
    tried = dry_run(place.spec(clusterRole=True), **place.doors)
    assert (tried.validated, len(tried.changes)) == ("server", 5)
    assert place.left() == []

    done = place.install(place.spec(clusterRole=True))
    assert (done.outcome, done.revision, done.notes) == ("installed", 1, "small says hello.")
    assert done.status.readiness is Readiness.READY
    assert done.status.endpoint == f"http://small-epp.{place.namespace}.svc:80"
    assert [(pod.role, pod.ready) for pod in done.status.pods] == [("decode", True)] * 2

    assert diff(place.spec(clusterRole=True), **place.doors) == ()
    again = place.install(place.spec(clusterRole=True))
    assert (again.outcome, again.revision) == ("unchanged", 1)

    changed = place.spec(message="bye", replicas=3)
    assert [(str(change.key), change.action) for change in diff(changed, **place.doors)] == [
        ("ConfigMap/small-config", "change"),
        ("Deployment/small-decode", "change"),
        (f"ClusterRole/{place.namespace}-small", "remove"),
    ]
    done = place.install(changed)
    assert (done.outcome, done.revision) == ("upgraded", 2)
    assert len([pod for pod in done.status.pods if pod.ready]) == 3
    assert place.install(changed).outcome == "unchanged"

    (found,) = releases(place.cluster, place.namespace)
    assert (found.recipe, found.facts.facets, found.helm_status) == ("small-recipe", {"engine": "vllm"}, "deployed")
    seen = inventory("small", place.namespace, **place.doors)
    assert (len(seen.objects), seen.helm_status) == (4, "deployed")

    assert len(place.uninstall().removed) == 4
    assert place.left() == []
    assert status("small", place.namespace, **place.doors).helm_status == "not-found"
    assert place.uninstall().removed == ()


def test_a_release_of_one_major_is_upgraded_by_the_other_and_back(
    plane: Any, cluster: Cluster, helm_of: Callable[[int], Helm]
):
    namespace = plane.namespace("major")
    three, four = (Place(helm=helm_of(major), cluster=cluster, namespace=namespace) for major in (3, 4))
    for number, place in enumerate((three, four, three, four), start=1):
        spec = place.spec(message=f"revision {number}", replicas=1 + number % 2)
        done = place.install(spec)
        assert (done.revision, done.status.readiness) == (number, Readiness.READY)
        assert diff(spec, **place.doors) == ()
    assert three.install(spec).outcome == "unchanged", "the other major sees no difference either"
    three.uninstall()
    assert three.left() == []


def test_the_namespace_comes_and_goes_with_the_release(place4: Place):
    place4.namespace += "-own"
    place4.install()
    assert [str(key) for key in place4.uninstall().removed][-1] == f"Namespace/{place4.namespace}"
    assert place4.install().outcome == "installed", "the namespace must be gone when the removal says so"


def test_the_namespace_stays_while_somebody_elses_things_are_in_it(place4: Place):
    place4.namespace += "-own"
    place4.install()
    token = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "llm-d-hf-token", "namespace": place4.namespace},
        "stringData": {"HF_TOKEN": "x"},
    }
    place4.cluster.apply(token)
    kept = place4.uninstall().kept
    assert f"Namespace/{place4.namespace}: it holds Secret/llm-d-hf-token" in kept


def test_what_was_changed_by_hand_is_seen_and_put_back(place4: Place):
    place4.install()
    config = ObjectKey(api_version="v1", kind="ConfigMap", namespace=place4.namespace, name="small-config")
    place4.cluster.delete(config)
    (change,) = diff(place4.spec(), **place4.doors)
    assert (str(change.key), change.action) == ("ConfigMap/small-config", "create")
    assert place4.install().outcome == "upgraded"
    assert place4.cluster.get(config) is not None
    assert place4.install().outcome == "unchanged"


def test_defaults_and_normal_forms_of_the_server_are_no_difference(place: Place):
    spec = place.spec(cpu="0.5", contextTokens=1048576, message=None)
    place.install(spec)
    assert place.install(spec).outcome == "unchanged"
    assert diff(spec, **place.doors) == ()


def test_facts_alone_make_a_revision_and_restart_nothing(place4: Place):
    before = place4.install()
    done = place4.install(replace(place4.spec(), evidence="benchmarked"))
    assert (done.outcome, done.revision) == ("upgraded", 2)
    assert {pod.name for pod in done.status.pods} == {pod.name for pod in before.status.pods}
