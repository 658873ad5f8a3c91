"""HTTP through pods/portforward: what is asked, and what is made of everything that can go wrong on the way."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from llmdctl.errors import (
    BrokenOffError,
    ClusterError,
    ForbiddenError,
    NoAnswerError,
    NoKubeletError,
    PodGoneError,
    PortClosedError,
    UnauthenticatedError,
    UnreachableError,
)
from llmdctl.kube import PodHttp
from llmdctl.kube.access import Access
from llmdctl.kube.client import ApiServer
from llmdctl.kube.transport import Transport
from tests.fakes.api_server import status
from tests.fakes.port_forward import Peer, PortForwardServer, port_forwarding

pytestmark = pytest.mark.allow_loopback
REFUSED = (
    b"error forwarding port 8000 to pod abc, uid : failed to execute portforward in network namespace"
    b' "/var/run/netns/x": failed to connect to localhost:8000 inside namespace "x", IPv4: dial tcp4 127.0.0.1:8000:'
    b" connect: connection refused"
)
SIMULATED = (
    b"error forwarding port 8000 to pod pod-1/ns, uid : no forward found for port 8000 in pod"
    b' {"name":"pod-1","namespace":"ns"}'
)


@pytest.fixture
def server() -> Iterator[PortForwardServer]:
    with port_forwarding() as fake:
        yield fake


@pytest.fixture
def pods(server: PortForwardServer) -> PodHttp:
    access = Access(server=server.address, authorization=lambda: "Bearer secret-token")
    return ApiServer(Transport(access, request_timeout_s=1.0)).pods


def get(pods: PodHttp, timeout_s: float = 5.0):
    return pods.request("ns", "pod-1", 8000, "GET", "/metrics?a=1", timeout_s=timeout_s)


def test_a_request_and_its_answer(server: PortForwardServer, pods: PodHttp):
    seen: list[bytes] = []

    def pod(peer: Peer) -> None:
        seen.append(peer.request())
        peer.send(0, b"HTTP/1.1 404 Not Found\r\nX-Thing: a\r\nContent-Length: 5\r\n\r\nhe")
        peer.send(0, b"llo")
        peer.read()

    server.pod = pod
    reply = get(pods)
    assert (reply.status, reply.good, reply.headers["x-thing"], reply.text) == (404, False, "a", "hello")
    assert seen[0].startswith(b"GET /metrics?a=1 HTTP/1.1\r\n")
    assert server.heads[0].startswith(b"GET /api/v1/namespaces/ns/pods/pod-1/portforward?ports=8000 ")
    assert b"authorization: Bearer secret-token" in server.heads[0]


def test_a_body_of_several_frames_is_whole_although_the_pod_closes_at_once(server: PortForwardServer, pods: PodHttp):
    def pod(peer: Peer) -> None:
        peer.request()
        peer.send(0, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for _ in range(100):
            peer.send(0, b"x" * 5000)
        peer.close()

    server.pod = pod
    assert get(pods).body == b"x" * 500_000


def test_an_answer_is_read_as_it_comes(server: PortForwardServer, pods: PodHttp):
    more = threading.Event()

    def pod(peer: Peer) -> None:
        peer.request()
        peer.send(0, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        more.wait(5)
        peer.send(0, b"3\r\ntwo\r\n0\r\n\r\n")
        peer.read()

    server.pod = pod
    answer = iter(pods.stream("ns", "pod-1", 8000, "POST", "/v1/completions", body=b"{}", timeout_s=5))
    assert next(answer) == b"one"
    more.set()
    assert b"".join(answer) == b"two"


def cut_off(peer: Peer) -> None:
    peer.request()
    peer.send(0, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
    peer.close()


def closed(peer: Peer) -> None:
    peer.request()
    peer.close()


def no_http(peer: Peer) -> None:
    peer.request()
    peer.send(0, b"SSH-2.0-OpenSSH\r\n\r\n")
    peer.close()


def late_refusal(peer: Peer) -> None:
    peer.request()
    peer.send(1, REFUSED)
    peer.close()


ENDS = {
    "nothing listens": (late_refusal, PortClosedError, "nothing listens there"),
    "nothing listens, said at once": (
        lambda peer: (peer.send(1, REFUSED), peer.request()),
        PortClosedError,
        "nothing listens there",
    ),
    "a simulated node": (
        lambda peer: (peer.send(1, SIMULATED), peer.request()),
        NoKubeletError,
        "its node is simulated",
    ),
    "another trouble": (lambda peer: (peer.send(1, b"lost it"), peer.request()), BrokenOffError, "lost it"),
    "cut off": (cut_off, BrokenOffError, "in the middle"),
    "closed": (closed, BrokenOffError, "without an answer"),
    "no http": (no_http, BrokenOffError, "no HTTP server"),
}


@pytest.mark.parametrize(("pod", "kind", "part"), ENDS.values(), ids=list(ENDS))
def test_how_a_pod_can_fail(server: PortForwardServer, pods: PodHttp, pod, kind: type[ClusterError], part: str):
    server.pod = pod
    with pytest.raises(kind, match=part) as caught:
        get(pods)
    assert "GET /metrics of pod pod-1, port 8000" in caught.value.message


def test_a_pod_that_hangs(server: PortForwardServer, pods: PodHttp):
    server.pod = lambda peer: (peer.request(), peer.read())
    with pytest.raises(NoAnswerError, match="no answer in time"):
        get(pods, timeout_s=0.2)


def test_a_stream_that_falls_silent(server: PortForwardServer, pods: PodHttp):
    def pod(peer: Peer) -> None:
        peer.request()
        peer.send(0, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        peer.read()

    server.pod = pod
    answer = iter(pods.stream("ns", "pod-1", 8000, "GET", "/", timeout_s=0.3))
    assert next(answer) == b"one"
    with pytest.raises(NoAnswerError):
        next(answer)


FORBIDDEN = 'pods "pod-1" is forbidden: User "me" cannot get resource "pods/portforward"'
DIAL = "error dialing backend: dial tcp 10.0.0.1:10250: connect: connection refused"
REFUSALS = {
    "no right": (403, status(403, "Forbidden", FORBIDDEN), ForbiddenError, "cannot get"),
    "no token": (401, status(401, "Unauthorized", "Unauthorized"), UnauthenticatedError, "credentials"),
    "no pod": (404, status(404, "NotFound", 'pods "pod-1" not found'), PodGoneError, "not found"),
    "not running": (400, status(400, "BadRequest", "pod pod-1 is not running"), PodGoneError, "not running"),
    "no kubelet": (500, status(500, "InternalError", DIAL), NoKubeletError, "dial tcp"),
    "anything else": (500, status(500, "InternalError", "etcd is away"), ClusterError, "etcd is away"),
}


@pytest.mark.parametrize(("code", "body", "kind", "part"), REFUSALS.values(), ids=list(REFUSALS))
def test_how_the_api_server_can_refuse(server: PortForwardServer, pods: PodHttp, code, body, kind, part: str):
    server.refusal = (code, json.dumps(body).encode())
    with pytest.raises(kind, match=part) as caught:
        get(pods)
    assert type(caught.value) is kind


def test_a_node_that_forwards_nothing(server: PortForwardServer, pods: PodHttp):
    server.silent = threading.Event()
    with pytest.raises(NoKubeletError, match="forwarded nothing"):
        get(pods, timeout_s=0.2)
    server.silent.set()


def test_no_api_server(pods: PodHttp, server: PortForwardServer):
    away = ApiServer(Transport(Access(server="http://127.0.0.1:9"), request_timeout_s=1.0)).pods
    with pytest.raises(UnreachableError, match="no connection"):
        get(away)
