"""The client against a server on this machine: what it sends, what it makes of every kind of answer."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llmdctl.errors import (
    ClusterError,
    ConflictError,
    ForbiddenError,
    LlmdctlError,
    UnauthenticatedError,
    UnreachableError,
)
from llmdctl.kube import Cluster, connect, key_of
from llmdctl.kube.access import Access
from llmdctl.kube.client import ApiServer
from llmdctl.kube.transport import Transport, is_near
from llmdctl.model.release import ObjectKey
from tests.fakes.api_server import FakeApiServer, Reply, resources, serving, status

pytestmark = pytest.mark.allow_loopback

DEPLOYMENT = ObjectKey(api_version="apps/v1", kind="Deployment", namespace="ns", name="a")
PATH = "/apis/apps/v1/namespaces/ns/deployments/a"
SECRETS = "/api/v1/namespaces/ns/secrets"
BODY = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "ns"}}


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    with serving() as fake:
        found = [
            ("", "v1", "Secret", "secrets"),
            ("", "v1", "Pod", "pods"),
            ("apps", "v1", "Deployment", "deployments"),
        ]
        for path, reply in resources(*found):
            fake.on(path, reply)
        yield fake


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def cluster(server: FakeApiServer, slept: list[float]) -> Cluster:
    access = Access(server=server.address, authorization=lambda: "Bearer secret-token")
    return ApiServer(Transport(access, request_timeout_s=1.0, sleep=slept.append))


CASES: list[tuple[str, Reply, type[LlmdctlError], str]] = [
    ("401", Reply(401, status(401, "Unauthorized", "Unauthorized")), UnauthenticatedError, "Unauthorized"),
    (
        "403",
        Reply(403, status(403, "Forbidden", 'deployments "a" is forbidden: User "me" cannot get')),
        ForbiddenError,
        'User "me" cannot get',
    ),
    ("500", Reply(500, status(500, "InternalError", "etcd is away")), ClusterError, "etcd is away"),
    ("500 without words", Reply(500, b"<html>secret</html>"), ClusterError, "HTTP 500"),
    ("garbage", Reply(200, b"<html>log in</html>"), ClusterError, "no JSON"),
    ("a list", Reply(200, []), ClusterError, "no JSON object"),
    ("302, not followed with the token", Reply(302, b"", {"Location": "/x"}), ClusterError, "HTTP 302"),
]


@pytest.mark.parametrize(("reply", "kind", "part"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_answer_gets_its_error(
    server: FakeApiServer, cluster: Cluster, reply: Reply, kind: type[LlmdctlError], part: str
):
    server.on(PATH, reply)
    with pytest.raises(kind) as caught:
        cluster.get(DEPLOYMENT)
    assert part in caught.value.message
    assert "secret" not in caught.value.message


def test_what_is_not_there_is_none(cluster: Cluster):
    assert cluster.get(DEPLOYMENT) is None
    assert cluster.delete(DEPLOYMENT) is False


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_a_busy_server_is_asked_three_times(server: FakeApiServer, cluster: Cluster, slept: list[float], code: int):
    server.on(PATH, Reply(code), Reply(code), Reply(200, BODY))
    found = cluster.get(DEPLOYMENT)
    assert found is not None
    assert found["metadata"]["name"] == "a"
    assert slept == pytest.approx([0.3, 0.6])


def test_in_the_end_it_gives_up(server: FakeApiServer, cluster: Cluster, slept: list[float]):
    server.on(PATH, Reply(503, status(503, "ServiceUnavailable", "starting up")))
    with pytest.raises(ClusterError, match="starting up"):
        cluster.get(DEPLOYMENT)
    assert len(slept) == 2


@pytest.mark.parametrize(("asked", "paused"), [("2", 2.0), ("3600", 5.0), ("-1", 0.0), ("soon", 0.3)])
def test_the_server_says_how_long_to_wait_within_reason(
    server: FakeApiServer, cluster: Cluster, slept: list[float], asked: str, paused: float
):
    server.on(PATH, Reply(429, headers={"Retry-After": asked}), Reply(200, BODY))
    cluster.get(DEPLOYMENT)
    assert slept == pytest.approx([paused])


def test_a_creation_is_never_repeated(server: FakeApiServer, cluster: Cluster, slept: list[float]):
    server.on("/apis/apps/v1/namespaces/ns/deployments", Reply(503))
    with pytest.raises(ClusterError):
        cluster.create(BODY)
    assert not slept


def test_a_creation_of_what_exists_says_so(server: FakeApiServer, cluster: Cluster):
    server.on("/apis/apps/v1/namespaces/ns/deployments", Reply(201, BODY), Reply(409, status(409, "AlreadyExists", "")))
    assert [cluster.create(BODY), cluster.create(BODY)] == [True, False]


def test_a_slow_server_is_given_up(server: FakeApiServer, cluster: Cluster):
    release = threading.Event()
    server.on(PATH, Reply(200, BODY, hold=release))
    try:
        with pytest.raises(UnreachableError, match="timed out"):
            cluster.get(DEPLOYMENT)
    finally:
        release.set()


def test_nobody_listens(tmp_path: Path):
    with serving() as gone:
        kubeconfig = gone.kubeconfig(tmp_path)
    with pytest.raises(UnreachableError, match=r"no answer from http://127\.0\.0\.1:\d+: .*refused"):
        connect(kubeconfig=kubeconfig).version()


def test_the_token_of_the_kubeconfig_is_sent(server: FakeApiServer, tmp_path: Path):
    server.on("/version", Reply(200, {"gitVersion": "v1.34.4-gke.100"}))
    assert connect(kubeconfig=server.kubeconfig(tmp_path)).version() == "1.34.4"
    assert server.asked[-1].headers["authorization"] == "Bearer secret-token"


def test_an_apply_is_strict_under_one_field_manager(server: FakeApiServer, cluster: Cluster):
    server.on(PATH, Reply(200, BODY))
    cluster.apply(BODY, dry_run=True)
    asked = server.asked[-1]
    assert asked.method == "PATCH"
    assert asked.headers["Content-Type"] == "application/apply-patch+yaml"
    assert asked.query == {
        "fieldManager": "llmdctl", "fieldValidation": "Strict", "force": "false", "dryRun": "All",
    }  # fmt: skip
    assert json.loads(asked.body) == BODY


def test_a_conflict_names_the_other_manager_and_the_fields(server: FakeApiServer, cluster: Cluster):
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl" using apps/v1',
            "field": ".spec.replicas",
        },
        {"reason": "FieldManagerConflict", "message": 'conflict with "keda" using apps/v1', "field": ".spec.paused"},
    ]
    server.on(PATH, Reply(409, status(409, "Conflict", "Apply failed", causes=causes)))
    with pytest.raises(ConflictError) as caught:
        cluster.apply(BODY)
    assert "another field manager, 'keda' and 'kubectl', owns .spec.replicas, .spec.paused" in caught.value.message
    assert "--force-conflicts" in (caught.value.remedy or "")


def test_a_wrong_object_gives_every_cause_with_its_path(server: FakeApiServer, cluster: Cluster):
    causes = [{"reason": "FieldValueRequired", "message": "Required value", "field": "spec.selector"}]
    server.on(PATH, Reply(422, status(422, "Invalid", "is invalid", causes=causes)))
    with pytest.raises(ClusterError) as caught:
        cluster.apply(BODY)
    assert [(problem.path, problem.message) for problem in caught.value.problems] == [
        ("spec.selector", "Required value")
    ]


def test_an_unknown_field_is_http_500_and_said_plainly(server: FakeApiServer, cluster: Cluster):
    said = (
        "failed to create typed patch object (ns/a; apps/v1, Kind=Deployment): .spec.foo: field not declared in schema"
    )
    server.on(PATH, Reply(500, status(500, "", said)))
    with pytest.raises(ClusterError, match=r"refuses a field: .*\.spec\.foo"):
        cluster.apply(BODY)


def test_what_the_server_says_of_a_secret_is_not_passed_on(server: FakeApiServer, cluster: Cluster):
    refusal = status(
        422, "Invalid", 'Secret "s" is invalid: data: "hidden"', kind="Secret", causes=[{"message": "hidden"}]
    )
    server.on(f"{SECRETS}/s", Reply(422, refusal))
    with pytest.raises(ClusterError) as caught:
        cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "ns"}})
    assert "hidden" not in str(caught.value)
    assert not caught.value.problems


def test_who_may_not_read_secrets_is_told(server: FakeApiServer, cluster: Cluster):
    said = 'secrets is forbidden: User "me" cannot list resource "secrets" in API group "" in the namespace "ns"'
    server.on(SECRETS, Reply(403, status(403, "Forbidden", said, kind="secrets")))
    with pytest.raises(ForbiddenError, match='User "me" cannot list resource "secrets"') as caught:
        cluster.list_objects("v1", "Secret", namespace="ns")
    assert "administrator" in (caught.value.remedy or "")


SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "ns"}}
READS: list[tuple[str, Callable[[Cluster], object]]] = [
    (f"{SECRETS}/s", lambda c: c.get(key_of(SECRET))),
    (SECRETS, lambda c: c.list_objects("v1", "Secret", namespace="ns")),
    (f"{SECRETS}/s", lambda c: c.apply(SECRET)),
]


@pytest.mark.parametrize(("path", "read"), READS, ids=["get", "list", "apply"])
def test_of_secrets_only_metadata_is_asked_for(
    server: FakeApiServer, cluster: Cluster, path: str, read: Callable[[Cluster], object]
):
    server.on(path, Reply(200, {"metadata": {"name": "s"}, "items": []}))
    read(cluster)
    assert "PartialObjectMetadata" in server.asked[-1].headers["Accept"]
    assert "application/json," not in server.asked[-1].headers["Accept"]


def test_a_long_list_comes_in_pages(server: FakeApiServer, cluster: Cluster):
    pods = "/api/v1/namespaces/ns/pods"
    first = {"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "a"}}]}
    server.on(pods, Reply(200, first), Reply(200, {"metadata": {}, "items": [{"metadata": {"name": "b"}}]}))
    found = cluster.list_objects("v1", "Pod", namespace="ns", labels={"app": "x", "y": "z"})
    assert [(pod["kind"], pod["metadata"]["name"]) for pod in found] == [("Pod", "a"), ("Pod", "b")]
    assert server.asked[-1].query["continue"] == "more"
    assert server.asked[-1].query["labelSelector"] == "app=x,y=z"


def test_a_limit_stops_at_the_first_page(server: FakeApiServer, cluster: Cluster):
    many = {"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]}
    server.on("/api/v1/pods", Reply(200, many))
    assert len(cluster.list_objects("v1", "Pod", limit=1)) == 1
    assert server.asked[-1].query["limit"] == "1"


@pytest.mark.parametrize(
    ("server", "near"),
    [
        ("https://127.0.0.1:6443", True),
        ("https://[::1]:6443", True),
        ("http://localhost", True),
        ("https://api.x", False),
    ],
)
def test_what_is_near_need_not_be_packed(server: str, near: bool):
    assert is_near(server) is near


def test_what_comes_packed_is_read(server: FakeApiServer):
    elsewhere = Access(server="http://api.example", proxy=server.address)  # asked in its place
    packed = gzip.compress(json.dumps(BODY).encode())
    server.on(PATH, Reply(200, packed, {"Content-Encoding": "gzip"}))
    found = ApiServer(Transport(elsewhere, request_timeout_s=1.0)).get(DEPLOYMENT)
    assert found is not None
    assert found["metadata"]["name"] == "a"
    assert server.asked[-1].headers["Accept-Encoding"] == "gzip"


def test_discovery_is_asked_once_and_again_for_a_kind_that_is_new(server: FakeApiServer, cluster: Cluster):
    server.on("/apis/new.dev/v1/namespaces/ns/widgets/w", Reply(200, {"metadata": {"name": "w"}}))
    widget = ObjectKey(api_version="new.dev/v1", kind="Widget", namespace="ns", name="w")
    with pytest.raises(ClusterError, match=r"does not know Widget in new\.dev/v1"):
        cluster.get(widget)
    for path, reply in resources(("new.dev", "v1", "Widget", "widgets")):
        server.on(path, reply)
    assert cluster.get(widget) is not None
    before = len(server.asked)
    cluster.get(widget)
    assert len(server.asked) == before + 1


def test_an_older_server_without_aggregated_discovery(server: FakeApiServer, cluster: Cluster):
    server.on("/api", Reply(200, {"kind": "APIVersions", "versions": ["v1"]}))
    groups = [{"versions": [{"groupVersion": "apps/v1"}]}, {"versions": [{"groupVersion": "metrics.k8s.io/v1"}]}]
    server.on("/apis", Reply(200, {"kind": "APIGroupList", "groups": groups}))
    pod = {"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["get"]}
    log = {"name": "pods/log", "kind": "Pod", "namespaced": True, "verbs": ["get"]}
    server.on("/api/v1", Reply(200, {"groupVersion": "v1", "resources": [pod, log]}))
    deployment = {"name": "deployments", "kind": "Deployment", "namespaced": True, "verbs": ["get"]}
    server.on("/apis/apps/v1", Reply(200, {"groupVersion": "apps/v1", "resources": [deployment]}))
    server.on("/apis/metrics.k8s.io/v1", Reply(503))  # an aggregated API whose server is away
    served = cluster.served()
    assert [(found.api_version, found.kind) for found in served.resources] == [("v1", "Pod"), ("apps/v1", "Deployment")]


def test_logs_are_the_last_lines(server: FakeApiServer, cluster: Cluster):
    server.on("/api/v1/namespaces/ns/pods/p/log", Reply(200, b"one\ntwo\nthree\xff\n", {"Content-Type": "text/plain"}))
    assert cluster.logs("ns", "p", "engine", previous=True, lines=2) == ("two", "three\ufffd")
    assert server.asked[-1].query == {"container": "engine", "tailLines": "2", "previous": "true"}


@pytest.mark.parametrize("answer", [True, False])
def test_rights_are_asked_for(server: FakeApiServer, cluster: Cluster, answer: bool):
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    server.on(path, Reply(201, {"status": {"allowed": answer}}))
    assert cluster.allowed("create", "apps", "deployments", namespace="ns") is answer
    asked = json.loads(server.asked[-1].body)["spec"]["resourceAttributes"]
    assert asked == {"verb": "create", "group": "apps", "resource": "deployments", "namespace": "ns"}
