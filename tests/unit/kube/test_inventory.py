"""Capturing from a server on this machine that refuses, stalls and talks nonsense: through the real command line."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmdctl.cli import main
from llmdctl.kube import Cluster, capture, connect
from llmdctl.model.inventory import Inventory, Seen
from llmdctl.model.inventory_file import load
from llmdctl.model.sections import OBJECTS
from tests.fakes.api_server import FakeApiServer, Reply, serving, status

pytestmark = pytest.mark.allow_loopback

VERSION = {"gitVersion": "v1.34.4", "platform": "linux/amd64", "major": "1", "minor": "34"}
SSAR = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
SSR = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
KINDS = {
    ("", "v1"): {
        "nodes": "Node", "pods": "Pod", "namespaces": "Namespace", "secrets": "Secret", "configmaps": "ConfigMap",
        "resourcequotas": "ResourceQuota", "services": "Service",
    },
    ("apiextensions.k8s.io", "v1"): {"customresourcedefinitions": "CustomResourceDefinition"},
    ("apps", "v1"): {"deployments": "Deployment"},
    ("resource.k8s.io", "v1alpha3"): {"resourceslices": "ResourceSlice"},
}  # fmt: skip
CLUSTER_SCOPED = {"nodes", "namespaces", "customresourcedefinitions", "resourceslices"}
NODE = {"metadata": {"name": "n1", "uid": "u", "annotations": {"x/secret": "hush"}}, "spec": {}, "status": {}}


def discovery() -> Iterator[tuple[str, Reply]]:
    groups: dict[str, list[dict[str, Any]]] = {"/api": [], "/apis": []}
    for (group, version), kinds in KINDS.items():
        found = [
            {
                "resource": plural, "responseKind": {"kind": kind}, "verbs": ["get", "list"],
                "scope": "Cluster" if plural in CLUSTER_SCOPED else "Namespaced",
            }
            for plural, kind in kinds.items()
        ]  # fmt: skip
        entry = {"metadata": {"name": group}, "versions": [{"version": version, "resources": found}]}
        groups["/apis" if group else "/api"].append(entry)
    for path, items in groups.items():
        yield (
            path,
            Reply(body={"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": items}),
        )


def listed(*items: dict[str, Any], following: str = "") -> Reply:
    return Reply(body={"kind": "XList", "metadata": {"continue": following} if following else {}, "items": list(items)})


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    with serving() as fake:
        fake.on("/version", Reply(body=VERSION, headers={"Date": "Sun, 22 Nov 2026 10:00:00 GMT"}))
        for path, reply in discovery():
            fake.on(path, reply)
        fake.otherwise = listed()
        fake.on("/api/v1/nodes", listed(NODE))
        fake.on(SSR, Reply(201, {"status": {"userInfo": {"username": "me", "groups": ["g"]}}}))
        table = {"columnDefinitions": [{"name": "Name"}, {"name": "Type"}], "rows": [{"cells": ["s", "Opaque"]}]}
        fake.on("/api/v1/namespaces/default/secrets", Reply(body=table))
        yield fake


@pytest.fixture
def cluster(server: FakeApiServer, tmp_path: Path) -> Cluster:
    return connect(kubeconfig=server.kubeconfig(tmp_path), request_timeout_s=2.0)


def run(server: FakeApiServer, folder: Path, *more: str) -> tuple[int, Path]:
    file = folder / "inventory.yaml"
    words = ["inventory", "--to", str(file), "--kubeconfig", str(server.kubeconfig(folder)), *more]
    return main(words), file


def captured(cluster: Cluster, **more: Any) -> Inventory:
    return capture(cluster, namespace="default", timeout_s=20, **more)


REFUSED = status(403, "Forbidden", 'nodes is forbidden: User "me" cannot list resource "nodes"')
EVERYWHERE: list[tuple[str, Reply, str]] = [
    ("401", Reply(401, status(401, "Unauthorized", "Unauthorized")), "does not accept the credentials"),
    ("404", Reply(404, status(404, "NotFound", "the server could not find the requested resource")), "could not find"),
    ("429", Reply(429, status(429, "TooManyRequests", "slow down"), {"Retry-After": "0"}), "slow down"),
    ("500", Reply(500, status(500, "InternalError", "etcd is away")), "etcd is away"),
    ("garbage", Reply(200, b"<html>log in</html>"), "is this address a Kubernetes API server?"),
    ("other JSON", Reply(200, {"hello": "world"}), "is this address a Kubernetes API server?"),
    ("truncated", Reply(200, b'{"gitVersion": "v1.', length=100), "no answer from http://127.0.0.1"),
]


@pytest.mark.parametrize(("reply", "said"), [case[1:] for case in EVERYWHERE], ids=[case[0] for case in EVERYWHERE])
def test_a_server_that_only_refuses_is_exit_5_with_its_own_words(
    server: FakeApiServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], reply: Reply, said: str
):
    server.replies.clear()
    server.otherwise = reply
    code, file = run(server, tmp_path)
    assert code == 5
    error = capsys.readouterr().err
    assert error.count("Error: ") == 1
    assert said in error
    assert "Traceback" not in error
    assert not file.exists()


def test_a_server_that_lets_nothing_be_read_gives_forbidden_sections(server: FakeApiServer, tmp_path: Path):
    server.replies.clear()
    server.otherwise = Reply(403, REFUSED)
    code, file = run(server, tmp_path)
    assert code == 0
    assert {name for name, found in load(file).sections.items() if found.seen is Seen.FORBIDDEN} >= {
        "nodes", "pods", "crds", "apis", "version", "identity", "secrets",
    }  # fmt: skip


ONE: list[tuple[str, Reply, Seen, str]] = [
    ("403", Reply(403, REFUSED), Seen.FORBIDDEN, "cannot list"),
    ("404", Reply(404, status(404, "NotFound", "gone meanwhile")), Seen.FAILED, "gone meanwhile"),
    ("429", Reply(429, status(429, "TooManyRequests", "slow down"), {"Retry-After": "0"}), Seen.FAILED, "slow down"),
    ("500", Reply(500, status(500, "InternalError", "etcd is away")), Seen.FAILED, "etcd is away"),
    ("garbage", Reply(200, b"<html>"), Seen.FAILED, "no JSON"),
    ("no list", Reply(200, {"items": 5}), Seen.FAILED, "no list of objects"),
    ("odd items", Reply(200, {"items": ["x"]}), Seen.FAILED, "no list of objects"),
    ("truncated", Reply(200, b'{"items": [', length=50), Seen.FAILED, "no answer from"),
    ("410", Reply(410, status(410, "Expired", "too old")), Seen.FAILED, "changed faster"),
]


@pytest.mark.parametrize(("reply", "seen", "said"), [case[1:] for case in ONE], ids=[case[0] for case in ONE])
def test_one_kind_that_fails_is_said_and_the_rest_is_read(
    server: FakeApiServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], reply: Reply, seen: Seen, said: str
):
    server.on("/api/v1/nodes", reply)
    code, file = run(server, tmp_path)
    assert code == 0
    taken = load(file)
    assert taken.section("nodes").seen is seen
    assert said in taken.section("nodes").reason
    assert taken.section("nodes").items == ()
    assert taken.section("pods").seen is Seen.OK
    assert f"nodes: {seen.value}: " in capsys.readouterr().err


def test_401_in_the_middle_ends_it(server: FakeApiServer, tmp_path: Path):
    server.on("/api/v1/nodes", Reply(401, status(401, "Unauthorized", "expired")))
    assert run(server, tmp_path)[0] == 5


def test_a_busy_server_is_waited_for(server: FakeApiServer, cluster: Cluster):
    busy = Reply(429, status(429, "TooManyRequests", "later"), {"Retry-After": "0"})
    server.on("/api/v1/nodes", busy, listed(NODE))
    assert len(captured(cluster, sections={"nodes"}).section("nodes").items) == 1


@pytest.mark.parametrize("path", ["/version", "/apis", "/api/v1/nodes"])
def test_nothing_hangs_beyond_the_limit(server: FakeApiServer, tmp_path: Path, path: str):
    held = threading.Event()
    server.on(path, Reply(hold=held))
    began = time.monotonic()
    try:
        code, file = run(server, tmp_path, "--timeout", "4", "--request-timeout", "60")
    finally:
        held.set()
    assert time.monotonic() - began < 20, "the request itself would have had a minute"
    if path == "/api/v1/nodes":
        assert (code, load(file).section("nodes").seen) == (0, Seen.TIMED_OUT)
        assert load(file).section("pods").seen is Seen.OK
    else:
        assert code == 5


def test_a_slow_kind_costs_no_more_than_its_request_limit(server: FakeApiServer, tmp_path: Path):
    held = threading.Event()
    server.on("/api/v1/nodes", Reply(hold=held))
    try:
        code, file = run(server, tmp_path, "--request-timeout", "1")
    finally:
        held.set()
    assert (code, load(file).section("nodes").seen) == (0, Seen.TIMED_OUT)


def test_ten_thousand_crds(server: FakeApiServer, tmp_path: Path):
    def crd(number: int) -> dict[str, Any]:
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        names = {"kind": f"Kind{number}", "plural": f"kinds{number}", "listKind": "x"}
        managed = [{"manager": "helm", "operation": "Update", "fieldsV1": {"f:spec": {}}}]
        return {
            "metadata": {"name": f"kinds{number}.example.com", "managedFields": managed},
            "spec": {"group": "example.com", "names": names, "scope": "Namespaced", "versions": [version]},
            "status": {"storedVersions": ["v1"]},
        }

    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    many = [crd(number) for number in range(10_000)]
    server.on(
        path, *(listed(*many[at : at + 2000], following="more" if at < 8000 else "") for at in range(0, 10_000, 2000))
    )
    code, file = run(server, tmp_path)
    found = load(file).section("crds")
    assert (code, found.seen, len(found.items)) == (0, Seen.OK, 10_000)
    assert found.items[0] == {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "kinds0.example.com", "managedFields": [{"manager": "helm"}]},
        "spec": {
            "group": "example.com", "names": {"kind": "Kind0", "plural": "kinds0"}, "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True}],
        },
        "status": {"storedVersions": ["v1"]},
    }  # fmt: skip
    assert [asked.query.get("continue") for asked in server.asked if asked.path == path] == [None, *["more"] * 4]


CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def definition(plural: str, group: str) -> dict[str, Any]:
    """A CustomResourceDefinition with what a metadata-only answer leaves out."""
    return {"metadata": {"name": f"{plural}.{group}"}, "spec": {"group": group}, "status": {"storedVersions": ["v1"]}}


def test_of_crds_of_other_groups_the_metadata_alone_is_read(server: FakeApiServer, cluster: Cluster):
    mine, gone, other = definition("pools", "mine.io"), definition("gone", "mine.io"), definition("any", "other.io")
    server.on(CRDS, listed(*({"metadata": each["metadata"]} for each in (mine, gone, other))))
    server.on(f"{CRDS}/pools.mine.io", Reply(body=mine))
    server.on(f"{CRDS}/gone.mine.io", Reply(404, status(404, "NotFound", "not found")))
    found = captured(cluster, sections={"crds"}, crd_groups={"mine.io"}).section("crds")
    assert [(item["metadata"]["name"], "spec" in item) for item in found.items] == [
        ("pools.mine.io", True), ("any.other.io", False),
    ]  # fmt: skip
    asked = [(each.path, each.headers["Accept"]) for each in server.asked if each.path.startswith(CRDS)]
    assert asked[0] == (CRDS, "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
    assert [path for path, _ in asked[1:]] == [f"{CRDS}/pools.mine.io", f"{CRDS}/gone.mine.io"]


def test_who_may_list_crds_and_get_none_reads_all_of_them(server: FakeApiServer, cluster: Cluster):
    mine = definition("pools", "mine.io")
    server.on(CRDS, listed(mine))
    server.on(f"{CRDS}/pools.mine.io", Reply(403, status(403, "Forbidden", 'User "me" cannot get resource')))
    found = captured(cluster, sections={"crds"}, crd_groups={"mine.io"}).section("crds")
    assert (found.seen, [item["spec"]["group"] for item in found.items]) == (Seen.OK, ["mine.io"])


def test_a_list_that_was_forgotten_between_two_pages_is_begun_again(server: FakeApiServer, cluster: Cluster):
    gone = Reply(410, status(410, "Expired", "too old"))
    server.on("/api/v1/nodes", listed(NODE, following="x"), gone, listed(NODE), listed())
    found = captured(cluster, sections={"nodes"}).section("nodes")
    assert (found.seen, len(found.items)) == (Seen.OK, 1)


def test_every_section_is_there_once(server: FakeApiServer, cluster: Cluster):
    taken = captured(cluster)
    assert set(taken.sections) == {*OBJECTS, "version", "apis", "identity", "access", "dry-run", "live"}
    assert taken.section("access").seen is Seen.ABSENT
    assert taken.section("version").items[0]["date"] == "2026-11-22T10:00:00Z"
    assert taken.section("identity").items == ({"username": "me", "groups": ["g"], "extraKeys": []},)
    assert taken.section("kueue").seen is Seen.NOT_SERVED
    assert "served as v1alpha3 alone" in taken.section("resource-slices").reason
    assert taken.section("resource-slices").seen is Seen.FAILED, "unknown, not empty"


def test_of_nodes_only_what_checks_read_is_kept(server: FakeApiServer, cluster: Cluster):
    (node,) = captured(cluster, sections={"nodes"}).section("nodes").items
    assert node == {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "spec": {}, "status": {}}


def test_of_secrets_names_and_types_alone_are_asked_for(server: FakeApiServer, cluster: Cluster):
    taken = captured(cluster, sections={"secrets", "releases"})
    (secret,) = taken.section("secrets").items
    metadata = {"name": "s", "namespace": "default"}
    assert secret == {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque"}
    for asked in server.asked:
        if asked.path.endswith("/secrets"):
            assert "as=Table" in asked.headers["Accept"] or "as=PartialObjectMetadataList" in asked.headers["Accept"]
            assert asked.query.get("includeObject") == "None" or asked.query["labelSelector"] == "owner=helm"


def test_pods_that_have_ended_are_not_asked_for(server: FakeApiServer, cluster: Cluster):
    captured(cluster, sections={"pods"})
    (asked,) = [asked for asked in server.asked if asked.path == "/api/v1/pods"]
    assert asked.query == {"limit": "500", "fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}


@pytest.mark.parametrize(
    ("plural", "section", "seen"),
    [
        ("resourcequotas", "resource-quotas", Seen.OK),
        ("pods", "pods", Seen.FORBIDDEN),
        ("services", "services", Seen.FORBIDDEN),
    ],
)
def test_where_all_may_not_be_listed_the_own_namespace_is(
    server: FakeApiServer, cluster: Cluster, plural: str, section: str, seen: Seen
):
    server.on(f"/api/v1/{plural}", Reply(403, REFUSED))
    server.on(f"/api/v1/namespaces/default/{plural}", listed({"metadata": {"name": "x", "namespace": "default"}}))
    found = captured(cluster, sections={section}).section(section)
    assert (found.seen, len(found.items), found.namespace) == (seen, 1, "default")
    assert "only namespace default was read" in found.reason


@pytest.mark.parametrize("exists", [True, False])
def test_where_namespaces_may_not_be_listed_the_own_one_is_read(server: FakeApiServer, cluster: Cluster, exists: bool):
    server.on("/api/v1/namespaces", Reply(403, REFUSED))
    there = Reply(body={"metadata": {"name": "default"}, "status": {"phase": "Active"}})
    server.on("/api/v1/namespaces/default", there if exists else Reply(404, status(404, "NotFound", "no")))
    found = captured(cluster, sections={"namespaces"}).section("namespaces")
    assert found.seen is Seen.FORBIDDEN
    assert found.items[0].get("absent", False) is not exists


QUOTA = {
    "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "default"}, "spec": {},
}  # fmt: skip
FOREIGN = [{"reason": "FieldManagerConflict", "message": 'conflict with "keda" using v1', "field": ".spec.hard"}]
OURS = [{"reason": "FieldManagerConflict", "message": 'conflict with "helm" using v1', "field": ".spec.hard"}]
TRIED: list[tuple[str, list[Reply], str, str]] = [
    ("accepted", [Reply(200, QUOTA)], "accepted", ""),
    (
        "no right",
        [Reply(403, status(403, "Forbidden", 'User "me" cannot patch resource'))],
        "forbidden",
        "cannot patch",
    ),
    ("policy", [Reply(403, status(403, "Forbidden", "exceeded quota: q"))], "rejected", "exceeded quota"),
    ("invalid", [Reply(422, status(422, "Invalid", "spec.hard: wrong"))], "rejected", "spec.hard: wrong"),
    (
        "webhook",
        [Reply(500, status(500, "InternalError", "failed calling webhook w"))],
        "rejected",
        "calling webhook w",
    ),
    ("another's field", [Reply(409, status(409, "Conflict", "1 conflict", causes=FOREIGN))], "conflict", "1 conflict"),
    ("Helm's own field", [Reply(409, status(409, "Conflict", "1", causes=OURS)), Reply(200, QUOTA)], "accepted", ""),
]


@pytest.mark.parametrize(("replies", "outcome", "said"), [case[1:] for case in TRIED], ids=[case[0] for case in TRIED])
def test_what_the_server_says_of_an_object_is_recorded(
    server: FakeApiServer, cluster: Cluster, replies: list[Reply], outcome: str, said: str
):
    owned = {"metadata": {"name": "q", "annotations": {"meta.helm.sh/release-name": "mine"}}}
    path = "/api/v1/namespaces/default/resourcequotas/q"
    server.on(path, Reply(200, owned))
    patches = iter(replies)
    answer = server.answer
    server.answer = lambda asked: next(patches) if asked.method == "PATCH" else answer(asked)  # type: ignore[method-assign]
    taken = captured(cluster, objects=[QUOTA], release="mine", sections={"dry-run", "live"})
    (tried,) = taken.section("dry-run").items
    assert (tried["outcome"], tried["kind"], tried["name"]) == (outcome, "ResourceQuota", "q")
    assert said in tried["message"]
    assert [item["metadata"]["name"] for item in taken.section("live").items] == ["q"]


def test_an_object_that_the_server_did_not_judge_is_not_called_refused(server: FakeApiServer, cluster: Cluster):
    server.on("/api/v1/namespaces/default/resourcequotas/q", Reply(503, status(503, "ServiceUnavailable", "starting")))
    found = captured(cluster, objects=[QUOTA], sections={"dry-run"}).section("dry-run")
    assert (found.seen, found.items) == (Seen.FAILED, ())
    assert "starting" in found.reason


def test_an_object_of_a_namespace_that_is_not_there_is_tried_in_another(server: FakeApiServer, cluster: Cluster):
    server.on("/api/v1/namespaces/new", Reply(404, status(404, "NotFound", "no")))
    obj = {**QUOTA, "metadata": {"name": "q", "namespace": "new"}}
    strange = {"apiVersion": "example.com/v1", "kind": "Strange", "metadata": {"name": "s", "namespace": "new"}}
    taken = capture(cluster, objects=[obj, strange], namespace="new", sections={"dry-run", "live"}, timeout_s=20)
    first, second = taken.section("dry-run").items
    assert (first["namespace"], first["triedIn"], first["outcome"]) == ("new", "default", "accepted")
    assert second["outcome"] == "not-served"
    assert (taken.section("live").seen, taken.section("live").items) == (Seen.OK, ())
    assert not [asked for asked in server.asked if asked.path.startswith("/api/v1/namespaces/new/")], "nothing is there"


def test_each_right_is_asked_for_once(server: FakeApiServer, cluster: Cluster):
    server.on(SSAR, Reply(201, {"status": {"allowed": False, "reason": "no RBAC rule"}}))
    found = captured(cluster, objects=[QUOTA, QUOTA], sections={"access"}).section("access")
    asked = [json.loads(request.body)["spec"]["resourceAttributes"] for request in server.asked if request.path == SSAR]
    assert asked[0] == {"verb": "*", "group": "*", "resource": "*"}
    assert len(asked) == len({json.dumps(entry, sort_keys=True) for entry in asked}) == len(found.items) + 1
    assert {"verb": "patch", "resource": "resourcequotas", "namespace": "default"} in asked
    assert {"verb": "get", "resource": "pods", "subresource": "log", "namespace": "default"} in asked
    assert all(item["allowed"] is False and item["reason"] == "no RBAC rule" for item in found.items)


def test_who_may_do_everything_is_asked_for_that_alone(server: FakeApiServer, cluster: Cluster):
    server.on(SSAR, Reply(201, {"status": {"allowed": True, "reason": "RBAC: cluster-admin"}}))
    found = captured(cluster, objects=[QUOTA], sections={"access"}).section("access")
    assert len([request for request in server.asked if request.path == SSAR]) == 1
    assert {item["reason"] for item in found.items if item["allowed"]} == {"RBAC: cluster-admin"}
    assert ("patch", "", "resourcequotas", "default", "") in {
        tuple(item[field] for field in ("verb", "group", "resource", "namespace", "name")) for item in found.items
    }
    assert all(item["allowed"] for item in found.items)
    assert "*" not in {item["verb"] for item in found.items}


def test_a_right_about_a_url_is_asked_for_as_one(server: FakeApiServer, cluster: Cluster):
    server.on(SSAR, Reply(201, {"status": {"allowed": True}}))
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "reader"},
        "rules": [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}],
    }  # fmt: skip
    found = captured(cluster, objects=[role], sections={"access"}).section("access")
    asked = [json.loads(request.body)["spec"] for request in server.asked if request.path == SSAR]
    assert {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}} in asked
    assert ("get", "/metrics", True) in {(item["verb"], item["resource"], item["allowed"]) for item in found.items}
