"""What NetworkPolicies let through, by the examples of https://kubernetes.io/docs/concepts/services-networking/network-policies/."""

from __future__ import annotations

from typing import Any

import pytest

from llmdctl.preflight.network_policy import Connection, End, Ruling, directions, judged

WEB = End(name="web", namespace="a", labels={"app": "web"}, namespace_labels={"team": "one"})
DB = End(name="db", namespace="b", labels={"app": "db"}, ports={"sql": 5432})
OUTSIDE = End(name="outside")


def policy(namespace: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p", "namespace": namespace}, "spec": {"podSelector": {}, **spec}}


def ingress(*rules: dict[str, Any]) -> dict[str, Any]:
    return policy("b", policyTypes=["Ingress"], ingress=list(rules))


def egress(*rules: dict[str, Any]) -> dict[str, Any]:
    return policy("a", policyTypes=["Egress"], egress=list(rules))


ALLOWED, BLOCKED, UNCERTAIN = None, Ruling.BLOCKED, Ruling.UNCERTAIN


@pytest.mark.parametrize(
    ("policies", "ruling"),
    [
        ([], ALLOWED),
        ([policy("b")], BLOCKED),
        ([policy("c")], ALLOWED),
        ([policy("b", podSelector={"matchLabels": {"app": "other"}})], ALLOWED),
        ([ingress()], BLOCKED),
        ([ingress({})], ALLOWED),
        ([ingress(), ingress({})], ALLOWED),
        ([ingress({"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]})], BLOCKED),
        ([ingress({"from": [{"namespaceSelector": {}}]})], ALLOWED),
        ([ingress({"from": [{"namespaceSelector": {"matchLabels": {"team": "one"}}}]})], ALLOWED),
        ([ingress({"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "a"}}}]})], ALLOWED),
        ([ingress({"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "x"}}}]})], BLOCKED),
        ([ingress({"from": [{"namespaceSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/8"}}]})], ALLOWED),
        ([ingress({"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]})], UNCERTAIN),
        ([ingress({"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]})], ALLOWED),
        ([ingress({"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]})], UNCERTAIN),
        ([ingress({"ports": [{"port": 5432}]})], ALLOWED),
        ([ingress({"ports": [{"port": "sql"}]})], ALLOWED),
        ([ingress({"ports": [{"port": "web"}]})], BLOCKED),
        ([ingress({"ports": [{"port": 5000, "endPort": 6000}]})], ALLOWED),
        ([ingress({"ports": [{"port": 5000}]})], BLOCKED),
        ([ingress({"ports": [{"port": 5432, "protocol": "UDP"}]})], BLOCKED),
        ([ingress({"ports": [{"protocol": "TCP"}]})], ALLOWED),
        ([egress()], BLOCKED),
        ([egress({"to": [{"podSelector": {}}]})], BLOCKED),
        ([egress({"to": [{"namespaceSelector": {}}]})], ALLOWED),
        ([egress({}), ingress()], BLOCKED),
    ],
)
def test_between_pods(policies: list[dict[str, Any]], ruling: Ruling | None) -> None:
    found = judged(policies, Connection(source=WEB, target=DB, port=5432))
    assert (found.ruling if found else None) == ruling


@pytest.mark.parametrize(
    ("rule", "ruling"),
    [
        ({"to": [{"namespaceSelector": {}}]}, BLOCKED),
        ({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}, ALLOWED),
        ({"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}, UNCERTAIN),
        ({"ports": [{"port": 443}]}, ALLOWED),
        ({"ports": [{"port": 80}]}, BLOCKED),
    ],
)
def test_to_the_world(rule: dict[str, Any], ruling: Ruling | None) -> None:
    found = judged([egress(rule)], Connection(source=WEB, target=OUTSIDE, port=443))
    assert (found.ruling if found else None) == ruling


def test_who_isolates_is_named() -> None:
    found = judged([policy("b"), egress({})], Connection(source=WEB, target=DB, port=5432))
    assert found is not None
    assert (found.direction, found.policies) == ("ingress", ("NetworkPolicy/b/p",))
    assert str(found.connection) == "web to db, port 5432"


def test_directions_by_default() -> None:
    assert directions(policy("a")) == ("ingress",)
    assert directions(policy("a", egress=[{}])) == ("ingress", "egress")
    assert directions(policy("a", policyTypes=["Egress"])) == ("egress",)
