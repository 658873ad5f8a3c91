"""HTTP through pods/portforward: what is asked, and what is made of everything that can go wrong on the way."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

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
from llmdctl.kube.forwarding import PodForwarding
from llmdctl.kube.kept import IDLE_S
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


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def patient_pod(peer: Peer) -> None:
    while peer.request():
        peer.send(0, WHOLE)


def test_one_connection_serves_many_requests(server: PortForwardServer, pods: PodHttp):
    server.pod = patient_pod
    assert [get(pods).text for _ in range(5)] == ["ok"] * 5
    assert len(server.heads) == 1


def test_several_at_once_have_one_each_and_share_them_later(server: PortForwardServer, pods: PodHttp):
    together = threading.Barrier(3)

    def pod(peer: Peer) -> None:
        peer.request()
        together.wait(5)
        peer.send(0, WHOLE)
        patient_pod(peer)

    server.pod = pod
    with ThreadPoolExecutor(3) as threads:
        assert [each.text for each in threads.map(lambda _: get(pods), range(3))] == ["ok"] * 3
        assert [each.text for each in threads.map(lambda _: get(pods), range(3))] == ["ok"] * 3
    assert len(server.heads) == 3


def test_what_may_not_be_sent_twice_has_a_connection_of_its_own(server: PortForwardServer, pods: PodHttp):
    server.pod = patient_pod
    get(pods)
    pods.request("ns", "pod-1", 8000, "POST", "/v1/completions", body=b"{}", timeout_s=5)
    get(pods)
    assert len(server.heads) == 2, "and the third goes over one of them"


def refuses_reuse(peer: Peer) -> None:
    peer.request()
    peer.send(0, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
    peer.read()


def no_longer_waits(peer: Peer) -> None:
    """As a server ends a connection that was idle: in the moment when the next request is on its way."""
    peer.request()
    peer.send(0, WHOLE)
    peer.request()
    peer.send(0, b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    peer.read()


def closes_at_the_second(peer: Peer) -> None:
    peer.request()
    peer.send(0, WHOLE)
    peer.request()
    peer.close()


USED = {"it said so": refuses_reuse, "408": no_longer_waits, "it closed in that moment": closes_at_the_second}


@pytest.mark.parametrize("pod", USED.values(), ids=list(USED))
def test_a_used_connection_that_has_ended_is_no_fault_of_the_pod(server: PortForwardServer, pods: PodHttp, pod):
    server.pod = pod
    assert [get(pods).text for _ in range(2)] == ["ok", "ok"]
    assert len(server.heads) == 2


def test_a_new_connection_that_ends_is_not_tried_again(server: PortForwardServer, pods: PodHttp):
    server.pod = closed
    with pytest.raises(BrokenOffError):
        get(pods)
    assert len(server.heads) == 1


def test_connections_are_kept_for_a_while_only(server: PortForwardServer):
    server.pod, now_s = patient_pod, [100.0]
    access = Access(server=server.address)
    pods = PodForwarding(Transport(access, request_timeout_s=1.0).dial, clock=lambda: now_s[0])
    get(pods)
    now_s[0] += IDLE_S
    get(pods)
    assert len(server.heads) == 1
    now_s[0] += IDLE_S + 0.1
    get(pods)
    assert len(server.heads) == 2


def test_who_asks_no_more_leaves_nothing_open(server: PortForwardServer):
    """In a cycle a connection would be found before what holds it: a ResourceWarning, which is an error here."""
    ended = threading.Event()

    def pod(peer: Peer) -> None:
        patient_pod(peer)
        ended.set()

    server.pod = pod
    pods = PodForwarding(Transport(Access(server=server.address), request_timeout_s=1.0).dial)
    get(pods)
    ring: list[object] = [pods]
    ring.append(ring)
    del pods, ring
    gc.collect()
    assert ended.wait(5)


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
