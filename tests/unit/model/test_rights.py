"""Which rights an install needs, by the objects that it makes."""

from __future__ import annotations

from typing import Any

import pytest

from llmdctl.model.rights import Purpose, Right, given_by, grants, guessed_plural, override_of, rights
from tests.unit.preflight.cases import rendered

RBAC = "rbac.authorization.k8s.io"
NAMESPACE = "team-a"


def obj(api_version: str, kind: str, name: str = "a", namespace: str | None = NAMESPACE, **more: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}


def spoken(found: tuple[Right, ...], *purposes: Purpose) -> set[str]:
    return {str(right) for right in found if not purposes or right.purpose in purposes}


def test_nothing_is_needed_for_nothing() -> None:
    assert rights((), NAMESPACE, plurals={}) == ()


def test_one_config_map_needs_itself_helms_record_and_what_the_wait_reads() -> None:
    found = rights([obj("v1", "ConfigMap")], NAMESPACE, plurals={})
    inside = f" in namespace {NAMESPACE}"
    assert spoken(found, Purpose.INSTALL) == {
        f"{words}{inside}"
        for words in (
            "get configmaps", "create configmaps", "patch configmaps", "list secrets", "create secrets",
            "update secrets", "list pods", "list replicasets.apps",
        )
    }  # fmt: skip
    assert spoken(found, Purpose.LATER) == {f"{verb}{inside}" for verb in
                                            ("delete configmaps", "get secrets", "delete secrets")}  # fmt: skip
    assert spoken(found, Purpose.EXPLAIN) == {f"get pods/log{inside}", f"list events{inside}"}
    assert spoken(found, Purpose.NAMESPACE) == {"create namespaces"}
    assert spoken(found, Purpose.GRANT) == set()


def test_objects_of_one_kind_ask_once() -> None:
    one = rights([obj("v1", "ConfigMap", "a")], NAMESPACE, plurals={})
    assert rights([obj("v1", "ConfigMap", "a"), obj("v1", "ConfigMap", "b")], NAMESPACE, plurals={}) == one


def test_what_has_no_namespace_is_asked_by_name_but_not_to_be_created() -> None:
    found = rights([obj("scheduling.k8s.io/v1", "PriorityClass", "high", None)], NAMESPACE, plurals={})
    of_class = {right for right in found if right.resource == "priorityclasses"}
    assert {(right.verb, right.name, right.namespace) for right in of_class} == {
        ("create", "", ""), ("get", "high", ""), ("patch", "high", ""), ("delete", "high", ""),
    }  # fmt: skip


def test_the_servers_own_plural_wins() -> None:
    gateway = obj("gateway.example.com/v1", "Policy")
    found = rights([gateway], NAMESPACE, plurals={("gateway.example.com/v1", "Policy"): "trafficpolicies"})
    assert "create trafficpolicies.gateway.example.com in namespace team-a" in spoken(found)
    assert "create policies.gateway.example.com in namespace team-a" not in spoken(found)


@pytest.mark.parametrize(
    ("kind", "plural"),
    [("Pod", "pods"), ("NetworkPolicy", "networkpolicies"), ("Gateway", "gateways"), ("Ingress", "ingresses"),
     ("StorageClass", "storageclasses"), ("HTTPRoute", "httproutes"), ("Mesh", "meshes")],
)  # fmt: skip
def test_plurals_are_guessed_as_kubernetes_names_them(kind: str, plural: str) -> None:
    assert guessed_plural(kind) == plural


def test_groups_of_pods_are_waited_for_by_their_leaders() -> None:
    groups = rights([obj("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet")], NAMESPACE, plurals={})
    assert "get statefulsets.apps in namespace team-a" in spoken(groups, Purpose.INSTALL)


RULES = [{"apiGroups": ["", "apps"], "resources": ["pods"], "verbs": ["get", "list"]},
         {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["x", "y"], "verbs": ["get"]}]  # fmt: skip
GIVEN = {"get pods", "list pods", "get pods.apps", "list pods.apps", "get configmaps x", "get configmaps y"}


def test_a_role_gives_each_verb_on_each_resource_of_each_group_in_its_namespace() -> None:
    role = obj(f"{RBAC}/v1", "Role", rules=RULES)
    assert spoken(given_by(role, [role]) or ()) == {f"{words} in namespace team-a" for words in GIVEN}


def test_a_role_of_the_cluster_gives_where_it_is_bound() -> None:
    role = obj(f"{RBAC}/v1", "ClusterRole", namespace=None, rules=RULES)
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "a"}
    inside = obj(f"{RBAC}/v1", "RoleBinding", roleRef=reference)
    everywhere = obj(f"{RBAC}/v1", "ClusterRoleBinding", namespace=None, roleRef=reference)
    assert spoken(given_by(inside, [role, inside]) or ()) == {f"{words} in namespace team-a" for words in GIVEN}
    assert spoken(given_by(everywhere, [role, everywhere]) or ()) == GIVEN


def test_what_an_unseen_role_gives_is_not_known() -> None:
    binding = obj(f"{RBAC}/v1", "RoleBinding", roleRef={"kind": "ClusterRole", "name": "view"})
    assert given_by(binding, [binding]) is None


def test_a_role_about_urls_gives_them_in_the_whole_cluster() -> None:
    urls = obj(f"{RBAC}/v1", "ClusterRole", namespace=None, rules=[{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}])
    (right,) = given_by(urls, [urls]) or ()
    assert (str(right), right.of_url, right.namespace) == ("get /metrics", True, "")


def test_escalate_and_bind_are_asked_for_roles_and_bindings() -> None:
    role = obj(f"{RBAC}/v1", "Role", "r")
    binding = obj(f"{RBAC}/v1", "RoleBinding", "b", roleRef={"kind": "Role", "name": "r"})
    everywhere = obj(f"{RBAC}/v1", "ClusterRoleBinding", "c", None, roleRef={"kind": "ClusterRole", "name": "k"})
    found = {str(override_of(each)) for each in (role, binding, everywhere)}
    assert found == {
        f"escalate roles.{RBAC} r in namespace team-a",
        f"bind roles.{RBAC} r in namespace team-a",
        f"bind clusterroles.{RBAC} k",
    }
    assert override_of(obj("v1", "ConfigMap")) is None
    assert override_of(obj("example.com/v1", "Role")) is None
    assert spoken(grants([role, binding])) >= {f"escalate roles.{RBAC} r in namespace team-a"}


def test_a_recipe_needs_what_its_manifest_holds_and_no_more() -> None:
    _, objects, _ = rendered("demo", NAMESPACE, (("path", "optimized-baseline"),))
    found = rights(objects, NAMESPACE, plurals={})
    made = {(right.group, right.resource) for right in found if right.verb == "patch"}
    assert made == {
        ("", "configmaps"), ("", "serviceaccounts"), ("", "services"), ("apps", "deployments"),
        ("inference.networking.k8s.io", "inferencepools"), ("networking.k8s.io", "networkpolicies"),
        ("policy", "poddisruptionbudgets"), (RBAC, "clusterrolebindings"), (RBAC, "clusterroles"),
        (RBAC, "rolebindings"), (RBAC, "roles"),
    }  # fmt: skip
    assert not any("*" in right.verb or "*" in right.resource for right in found)
    assert {right.namespace for right in found} == {"", NAMESPACE}


def test_with_namespace_only_no_right_outside_the_namespace_is_needed_but_to_make_it() -> None:
    _, objects, _ = rendered(
        "demo", NAMESPACE, (("path", "optimized-baseline"), ("set", ("global.llmd.namespaceOnly=true",)))
    )
    found = rights(objects, NAMESPACE, plurals={})
    assert spoken(tuple(right for right in found if not right.namespace)) == {"create namespaces"}
