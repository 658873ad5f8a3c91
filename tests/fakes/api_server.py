"""An API server on this machine that answers what a test tells it to: for the transport, where bytes matter."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import yaml


@dataclass
class Reply:
    """One answer. `hold` keeps the request unanswered until the test lets go; `length` is claimed instead of the true
    one, so that the connection ends in the middle of the body.
    """

    status: int = 200
    body: object = field(default_factory=dict)  # bytes go out as they are, anything else as JSON
    headers: dict[str, str] = field(default_factory=dict)
    hold: threading.Event | None = None
    length: int | None = None


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class FakeApiServer:
    """`replies[path]` are given one after the other, the last one again and again; `otherwise` for other paths."""

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.otherwise: Reply | None = None
        self.asked: list[Asked] = []
        self.address = ""

    def on(self, path: str, *replies: Reply) -> None:
        self.replies[path] = list(replies)

    def kubeconfig(self, folder: Path, **user: object) -> Path:
        """A kubeconfig that leads here."""
        path = folder / "kubeconfig"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "me"}}],
            "clusters": [{"name": "fake", "cluster": {"server": self.address}}],
            "users": [{"name": "me", "user": user or {"token": "secret-token"}}],
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def answer(self, request: Asked) -> Reply:
        self.asked.append(request)
        waiting = self.replies.get(request.path)
        if not waiting and self.otherwise is not None:
            return self.otherwise
        if not waiting:
            return Reply(status=404, body=status(404, "NotFound", f"no reply for {request.path}"))
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


def status(code: int, reason: str, message: str, **details: object) -> dict[str, object]:
    """A Status document, as every Kubernetes error has one."""
    return {
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
        "details": details,
    }  # fmt: skip


def resources(*found: tuple[str, str, str, str]) -> list[tuple[str, Reply]]:
    """Aggregated discovery of (group, version, kind, plural)."""
    core, named = [], []
    for group, version, kind, plural in found:
        entry = {
            "resource": plural,
            "responseKind": {"kind": kind},
            "scope": "Namespaced",
            "verbs": ["get", "list", "patch", "delete", "create"],
        }
        listed = {"metadata": {"name": group}, "versions": [{"version": version, "resources": [entry]}]}
        (named if group else core).append(listed)
    kind = {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2"}
    return [("/api", Reply(body={**kind, "items": core})), ("/apis", Reply(body={**kind, "items": named}))]


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[FakeApiServer]:
    """The server for the time of a test, on a free port of 127.0.0.1; with TLS where it is told how."""
    fake = FakeApiServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _reply(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            request = Asked(self.command, parts.path, query, dict(self.headers), self.rfile.read(length))
            reply = fake.answer(request)
            if reply.hold is not None:
                reply.hold.wait(30)
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response_only(reply.status)
            if "Date" not in reply.headers:
                self.send_header("Date", self.date_time_string())
            for name, value in ({"Content-Type": "application/json"} | reply.headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if reply.length is None else reply.length))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = reply.length is not None

        do_GET = do_POST = do_PATCH = do_DELETE = _reply

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.address = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that goes is what is tested
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
