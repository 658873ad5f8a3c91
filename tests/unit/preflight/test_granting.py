"""The least roles as a manifest: no right more, no right less."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from llmdctl.model.rights import Purpose, Right
from llmdctl.preflight.granting import command, roles, rules

NAMES = st.builds(
    Right,
    purpose=st.just(Purpose.INSTALL),
    namespace=st.sampled_from(["", "a", "b"]),
    group=st.sampled_from(["", "apps", "batch"]),
    resource=st.sampled_from(["pods", "pods/log", "deployments", "jobs"]),
    verb=st.sampled_from(["get", "list", "create", "bind"]),
    name=st.sampled_from(["", "x", "y"]),
)


def given_by(rule: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                for name in rule.get("resourceNames", [""]):
                    yield verb, group, resource, name


@given(st.lists(NAMES))
def test_rules_give_exactly_the_rights_and_each_once(wanted: list[Right]) -> None:
    found = [each for rule in rules(wanted) for each in given_by(rule)]
    assert sorted(found) == sorted({(right.verb, right.group, right.resource, right.name) for right in wanted})


@given(st.lists(NAMES))
def test_each_place_has_its_own_role(wanted: list[Right]) -> None:
    made = roles(wanted, name="r", user="")
    assert {role["metadata"].get("namespace", "") for role in made} == {right.namespace for right in wanted}
    for role in made:
        place = role["metadata"].get("namespace", "")
        assert role["kind"] == ("Role" if place else "ClusterRole")
        held = {each for rule in role["rules"] for each in given_by(rule)}
        assert held == {(r.verb, r.group, r.resource, r.name) for r in wanted if r.namespace == place}


def right(**more: str) -> Right:
    return Right(purpose=Purpose.INSTALL, **{"namespace": "a", "group": "", "resource": "pods", "verb": "get", **more})


def test_resources_with_the_same_verbs_share_a_rule() -> None:
    found = rules(
        [right(verb="get"), right(verb="list"), right(resource="services"), right(resource="services", verb="list")]
    )
    assert found == [{"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["get", "list"]}]


def test_urls_have_rules_of_their_own() -> None:
    stated = [("/metrics", "get"), ("pods", "get"), ("/healthz", "get")]
    wanted = [Right(purpose=Purpose.GRANT, namespace="", group="", resource=of, verb=verb) for of, verb in stated]
    assert sorted(rules(wanted), key=str) == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
        {"nonResourceURLs": ["/healthz", "/metrics"], "verbs": ["get"]},
    ]


def test_a_user_is_bound_as_a_user_and_a_service_account_as_one() -> None:
    _, person = roles([right()], name="r", user="anna@example.com")
    _, account = roles([right(namespace="")], name="r", user="system:serviceaccount:ci:deployer")
    assert person["kind"] == "RoleBinding"
    assert person["subjects"] == [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "anna@example.com"}]
    assert account["kind"] == "ClusterRoleBinding"
    assert account["subjects"] == [{"kind": "ServiceAccount", "name": "deployer", "namespace": "ci"}]
    assert account["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"}


def test_the_command_holds_the_objects_as_yaml() -> None:
    made = roles([right(), right(namespace="", verb="list")], name="r", user="anna")
    first, *lines, last = command(made).split("\n")
    assert first == "$ kubectl apply -f - <<'YAML'"
    assert last == "YAML"
    assert tuple(yaml.safe_load_all("\n".join(lines))) == made
