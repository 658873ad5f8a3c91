"""Metrics in the place of simulated pods: a server at every pod's own address, which lies on loopback."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


class Exposition:
    """What pods of one kind say on `/metrics`. `say` changes it; `at` has one more pod say it."""

    def __init__(self) -> None:
        self.text = ""
        self.scrapes = 0
        self._servers: dict[tuple[str, int], ThreadingHTTPServer] = {}

    def say(self, values: Mapping[str, float]) -> None:
        """`name{labels}` -> value."""
        self.text = "".join(f"{series} {value}\n" for series, value in values.items())

    def at(self, address: str, port: int) -> None:
        """Answer at a pod's address; once only, however often it is asked for."""
        if (address, port) in self._servers:
            return
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = outer.text.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                outer.scrapes += 1

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        server = ThreadingHTTPServer((address, port), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self._servers[address, port] = server

    def close(self) -> None:
        """Stop answering, everywhere."""
        for server in self._servers.values():
            server.shutdown()
            server.server_close()
        self._servers.clear()

    def __enter__(self) -> Exposition:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()
