"""Dry runs: on the client without a cluster, on the server without a trace."""

from __future__ import annotations

import pytest

from llmdctl.errors import ClusterError, ConflictError, Problem, UnreachableError
from llmdctl.model.release import ObjectKey
from llmdctl.release import InstallOptions, dry_run
from tests.unit.release.conftest import World, spec

CONFIG = ObjectKey(api_version="v1", kind="ConfigMap", namespace="llm", name="pd-config")
STAND_IN = ObjectKey(api_version="v1", kind="ConfigMap", namespace="default", name="pd-config")


def test_on_the_client_nothing_is_asked(world: World):
    tried = dry_run(spec(), renderer=world.helm)
    assert (tried.validated, len(tried.changes)) == ("client", 3)
    assert world.cluster.calls == []


def test_on_the_server_every_object_is_tried_and_none_is_made(world: World):
    tried = dry_run(spec(), **world.doors)
    assert (tried.validated, {change.action for change in tried.changes}) == ("server", {"create"})
    assert [what for method, what in world.cluster.calls if method == "try"] == [
        "ConfigMap/pd-config", "Service/pd-epp", "Deployment/pd-decode",
    ]  # fmt: skip
    assert world.cluster.objects == {}


def test_every_refusal_is_shown(world: World):
    world.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "llm"}})
    cause = Problem(message="Required value", path="spec.selector")
    world.cluster.refused[CONFIG] = ClusterError("apply ConfigMap/pd-config: is invalid", problems=(cause,))
    world.cluster.foreign[ObjectKey(api_version="v1", kind="Service", namespace="llm", name="pd-epp")] = (
        "kubectl",
        ".spec",
    )
    with pytest.raises(ClusterError, match="the API server refuses 3 of 3 objects") as caught:
        dry_run(spec(), **world.doors)
    messages = [problem.message for problem in caught.value.problems]
    assert "Required value" in messages
    assert any("'kubectl'" in message for message in messages)


@pytest.mark.parametrize(("role", "refused"), [("pd-epp", False), ("somebody-elses", True)])
def test_a_binding_is_not_refused_for_want_of_a_role_that_comes_with_it(world: World, role: str, refused: bool):
    """What a real API server 1.34 answers to one who may make bindings and may not `bind`."""
    key = ObjectKey(api_version="rbac.authorization.k8s.io/v1", kind="RoleBinding", namespace="default", name="pd-epp")
    world.cluster.refused[key] = ClusterError(f'apply RoleBinding/pd-epp: roles "{role}" not found')
    if refused:
        with pytest.raises(ClusterError, match="refuses 1 of 5"):
            dry_run(spec(role=role), **world.doors)
        return
    assert len(dry_run(spec(role=role), **world.doors).changes) == 5


def test_objects_of_a_namespace_that_does_not_exist_are_tried_elsewhere(world: World):
    world.cluster.refused[STAND_IN] = ClusterError("is invalid")
    with pytest.raises(ClusterError, match="refuses 1 of 3"):
        dry_run(spec(), **world.doors)


def test_a_server_that_is_away_is_not_said_once_an_object(world: World):
    world.cluster.fail("try", UnreachableError("gone"))
    with pytest.raises(UnreachableError):
        dry_run(spec(), **world.doors)


def test_foreign_objects_are_found_too(world: World):
    world.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "llm"}})
    world.cluster.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "pd-config", "namespace": "llm"}})
    with pytest.raises(ConflictError):
        dry_run(spec(), **world.doors)
    dry_run(spec(), **world.doors, options=InstallOptions(take_ownership=True))


def test_a_missing_kind_is_found_too(world: World):
    with pytest.raises(ClusterError, match="the cluster lacks"):
        dry_run(spec(widget=True), **world.doors)


def test_of_an_installed_release_only_the_changes_are_shown(world: World):
    world.install()
    tried = dry_run(spec(message="bye"), **world.doors)
    assert [(str(change.key), change.action) for change in tried.changes] == [("ConfigMap/pd-config", "change")]
