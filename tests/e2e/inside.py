"""HTTP to pods by their own addresses, from threads that are in the network of the real node.

verify and doctor reach pods through the API server, and are tested. A test that reads metrics again and again spares
itself that way: by it a request takes five processes and fifty milliseconds of a processor.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from llmdctl.kube import Reply
from llmdctl.sandbox.node import namespaces

_LIMIT_S = 30
_THREADS = 4


class Inside:
    """The network of the node's init `pid`, until `close`."""

    def __init__(self, pid: int) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, initializer=namespaces.enter_network, initargs=(pid,))

    def request(
        self,
        address: str,
        port: int,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request on a connection of its own. Raises OSError."""
        return self._threads.submit(_request, (address, port), method, path, body, headers or {}).result()

    def close(self) -> None:
        """Leave the network, which otherwise would outlive its node."""
        self._threads.shutdown()

    def __enter__(self) -> Inside:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()


def _request(place: tuple[str, int], method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
    connection = http.client.HTTPConnection(*place, timeout=_LIMIT_S)
    try:
        connection.request(method, path, body=body, headers=dict(headers))
        answer = connection.getresponse()
        return Reply(status=answer.status, headers=dict(answer.getheaders()), body=answer.read())
    finally:
        connection.close()
