"""An IPv6-only cluster, as far as loopback is one: every address that anybody is told is ::1.

What the charts render for it runs: the engine, the real endpoint picker, the real Envoy.
"""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.envoy.standing import MODEL, Standing, standing
from tests.e2e.sandbox.objects import wait

pytestmark = [pytest.mark.e2e, pytest.mark.programs]

HERE = "::1"
A, AAAA = 1, 28  # types of questions: RFC 1035, RFC 3596


@dataclass(frozen=True)
class Names:
    """A DNS server for which every name is ::1, and nothing else. `asked`: names and types, in order."""

    port: int
    asked: list[tuple[str, int]]


@pytest.fixture(scope="module")
def names() -> Iterator[Names]:
    asked: list[tuple[str, int]] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            question, server = self.request
            name, kind, end = _read(question)
            asked.append((name, kind))
            known = kind == AAAA
            head = question[:2] + struct.pack(">HHHHH", 0x8580, 1, known, 0, 0)  # an answer, by one who knows
            answer = struct.pack(">HHHIH", 0xC00C, AAAA, 1, 1, 16) + socket.inet_pton(socket.AF_INET6, HERE)
            server.sendto(head + question[12:end] + (answer if known else b""), self.client_address)

    with socketserver.UDPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Names(port=server.server_address[1], asked=asked)
        server.shutdown()


def _read(question: bytes) -> tuple[str, int, int]:
    """Name, type, and where the question ends."""
    labels, place = [], 12
    while length := question[place]:
        labels.append(question[place + 1 : place + 1 + length].decode())
        place += 1 + length
    return ".".join(labels), struct.unpack_from(">H", question, place + 1)[0], place + 5


@pytest.fixture(scope="module")
def release(plane, names: Names, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind((HERE, 0))
        except OSError as refused:
            pytest.skip(f"this machine has no IPv6: {refused}")
    folder: Path = tmp_path_factory.mktemp("ipv6")
    with standing(plane, folder, HERE, ("global.llmd.ipFamily=IPv6",), resolver=names.port) as found:
        yield found


@pytest.mark.parametrize("host", [HERE, "127.0.0.1"])
def test_clients_of_both_families_are_answered(release: Standing, host: str) -> None:
    answer = release.complete(host)
    assert answer.status == 200, answer.body
    assert release.stat("cluster.picked.upstream_rq_200") > 0, "by the endpoint that the picker named"


def test_a_request_without_a_body_is_answered(release: Standing) -> None:
    """The picker writes its endpoint without brackets."""
    answer = release.ask(HERE, "/v1/models")
    assert answer.status == 200, answer.body
    assert MODEL in answer.body.decode()


def test_the_kubelet_reaches_what_it_asks(release: Standing) -> None:
    assert release.ask(HERE, "/ready", port="health").status == 200
    assert release.ask(HERE, "/health", port="serving").status == 200
    with socket.create_connection((HERE, release.ports["grpcHealth"]), timeout=10):
        pass


def test_without_a_picker_an_engine_is_found_by_one_question(release: Standing, names: Names) -> None:
    release.picker.kill()
    wait("Envoy knows", lambda: release.healthy_pickers() == 0)
    wait("an answer of what the Service leads to", lambda: release.complete(HERE).status == 200)
    assert release.stat("cluster.fallback.upstream_rq_200") > 0
    assert {kind for _, kind in names.asked} == {AAAA}, names.asked
    assert len({name for name, _ in names.asked}) == 1, names.asked
