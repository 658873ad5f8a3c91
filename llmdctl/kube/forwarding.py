"""HTTP to a port of a pod through pods/portforward: works from wherever the API server can be reached, and needs no
address, no Service and no proxy of ours. One connection a request.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from llmdctl.errors import BrokenOffError, ClusterError
from llmdctl.kube.tunnel import HttpSocket, Tunnel

TIMEOUT_S: Final = 15.0
_LARGEST_BYTES: Final = 64 * 1024 * 1024  # of an answer that is read whole; an engine's metrics are below 1 MiB
_CHUNK_BYTES: Final = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What a pod answered. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def good(self) -> bool:
        """Whether the status says success."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", errors="replace")

    def document(self) -> dict[str, Any] | None:
        """The JSON object in it; None where there is none."""
        try:
            read = json.loads(self.body)
        except ValueError:
            return None
        return read if isinstance(read, dict) else None


class Streamed(Protocol):
    """An answer that is read as it comes. Iterating gives its bytes; `close` ends it early."""

    status: int
    headers: Mapping[str, str]

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None:
        """End the connection."""
        ...


class PodHttp(Protocol):
    """HTTP to ports of pods.

    Every call raises, besides the errors of `Cluster`: PodGoneError (no such pod, or it does not run), PortClosedError
    (nothing listens), NoKubeletError (its node forwards nothing: simulated, or away), NoAnswerError (connected, and no
    answer in time), BrokenOffError (the answer ended in the middle, or is no HTTP), and ForbiddenError (no right to
    pods/portforward). A status such as 500 is an answer, not an error.
    """

    def request(
        self,
        namespace: str,
        pod: str,
        port: int,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Reply:
        """One request and its whole answer. `timeout_s` is the limit of all of it."""
        ...

    def stream(
        self,
        namespace: str,
        pod: str,
        port: int,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Streamed:
        """One request whose answer is read as it comes. `timeout_s` is the longest silence, not the whole time."""
        ...


Dial = Callable[..., Any]
"""(namespace, pod, port, what=, timeout_s=) -> an open WebSocket; see `Transport.dial`."""


class PodForwarding:
    """Satisfies `PodHttp`."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial

    def request(
        self,
        namespace: str,
        pod: str,
        port: int,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Reply:
        """See `PodHttp.request`."""
        what, until_s = _what(method, pod, port, path), time.monotonic() + timeout_s
        answer = self._ask(
            namespace, pod, port, method, path, body=body, headers=headers, timeout_s=timeout_s, until_s=until_s
        )
        try:
            read = answer.read(_LARGEST_BYTES + 1)
        finally:
            answer.close()
        if len(read) > _LARGEST_BYTES:
            raise ClusterError(f"{what}: the answer is larger than {_LARGEST_BYTES // 2**20} MiB")
        return Reply(status=answer.status, headers=answer.headers, body=read)

    def stream(
        self,
        namespace: str,
        pod: str,
        port: int,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Streamed:
        """See `PodHttp.stream`."""
        return self._ask(
            namespace, pod, port, method, path, body=body, headers=headers, timeout_s=timeout_s, until_s=None
        )

    def _ask(
        self,
        namespace: str,
        pod: str,
        port: int,
        method: str,
        path: str,
        *,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        timeout_s: float,
        until_s: float | None,
    ) -> _Answer:
        what = _what(method, pod, port, path)
        socket = self._dial(namespace, pod, port, what=what, timeout_s=timeout_s)
        tunnel = Tunnel(socket, what=what, silence_s=timeout_s, until_s=until_s)
        connection = http.client.HTTPConnection("localhost", port)
        connection.sock = HttpSocket(tunnel)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            return _Answer(connection.getresponse(), tunnel, what)
        except (http.client.HTTPException, OSError) as cause:
            tunnel.close()
            raise _broken(what, cause) from cause
        except BaseException:
            tunnel.close()
            raise


class _Answer:
    """An answer whose head has come. Satisfies `Streamed`."""

    def __init__(self, response: http.client.HTTPResponse, tunnel: Tunnel, what: str) -> None:
        self.status: int = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.getheaders()}
        self._response = response
        self._tunnel = tunnel
        self._what = what

    def read(self, limit: int) -> bytes:
        """At most `limit` bytes of the body."""
        try:
            # Only a read without a limit notices a body that is shorter than it says.
            declared = self.headers.get("content-length", "")
            return self._response.read(limit if declared.isdigit() and int(declared) > limit else None)
        except (http.client.HTTPException, OSError) as cause:
            raise _broken(self._what, cause) from cause

    def __iter__(self) -> Iterator[bytes]:
        try:
            while chunk := self._response.read1(_CHUNK_BYTES):
                yield chunk
            if self._response.length:
                raise BrokenOffError(f"{self._what}: the answer ended {self._response.length} bytes too early")
        except (http.client.HTTPException, OSError) as cause:
            raise _broken(self._what, cause) from cause
        finally:
            self.close()

    def close(self) -> None:
        """See `Streamed.close`."""
        self._tunnel.close()


def _what(method: str, pod: str, port: int, path: str) -> str:
    return f"{method} {path.partition('?')[0]} of pod {pod}, port {port}"


def _broken(what: str, cause: BaseException) -> BrokenOffError:
    if isinstance(cause, http.client.RemoteDisconnected):
        return BrokenOffError(f"{what}: the connection was closed without an answer")
    if isinstance(cause, http.client.BadStatusLine):
        return BrokenOffError(f"{what}: what answers there is no HTTP server")
    return BrokenOffError(f"{what}: the answer ended in the middle")
