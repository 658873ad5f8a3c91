"""HTTP to a port of a pod through pods/portforward: works from wherever the API server can be reached, and needs no
address, no Service and no proxy of ours.

A connection is kept for the next request to the same port. Only one that may be sent twice goes over a connection that
was used before, since its server may close it in the same moment; any other, a completion say, has one of its own.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from llmdctl.errors import BrokenOffError, ClusterError
from llmdctl.kube.kept import Kept, Place
from llmdctl.kube.tunnel import HttpSocket, Tunnel

TIMEOUT_S: Final = 15.0
_LARGEST_BYTES: Final = 64 * 1024 * 1024  # of an answer that is read whole; an engine's metrics are below 1 MiB
_CHUNK_BYTES: Final = 64 * 1024
_REPEATABLE: Final = frozenset({"GET", "HEAD"})
_NO_LONGER_WAITS: Final = 408  # said of an idle connection: https://www.rfc-editor.org/rfc/rfc9110#section-15.5.9


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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """One request as it goes out."""

    place: Place
    method: str
    path: str
    body: bytes | None
    headers: Mapping[str, str]

    def __str__(self) -> str:
        _, pod, port = self.place
        return f"{self.method} {self.path.partition('?')[0]} of pod {pod}, port {port}"


class PodForwarding:
    """Satisfies `PodHttp`."""

    def __init__(self, dial: Dial, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._dial = dial
        self._kept = Kept(clock=clock)

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
        asked = _Asked(place=(namespace, pod, port), method=method, path=path, body=body, headers=dict(headers or {}))
        answer = self._ask(asked, timeout_s=timeout_s, until_s=time.monotonic() + timeout_s)
        try:
            read = answer.read(_LARGEST_BYTES + 1)
        finally:
            answer.close()
        if len(read) > _LARGEST_BYTES:
            raise ClusterError(f"{asked}: the answer is larger than {_LARGEST_BYTES // 2**20} MiB")
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
        asked = _Asked(place=(namespace, pod, port), method=method, path=path, body=body, headers=dict(headers or {}))
        return self._ask(asked, timeout_s=timeout_s, until_s=None)

    def _ask(self, asked: _Asked, *, timeout_s: float, until_s: float | None) -> _Answer:
        used = self._kept.take(asked.place) if asked.method in _REPEATABLE else None
        if used is not None:
            used.begin(what=str(asked), silence_s=timeout_s, until_s=until_s)
            with contextlib.suppress(BrokenOffError):  # that an old connection has ended says nothing of the pod
                answer = self._send(asked, used)
                if answer.status != _NO_LONGER_WAITS:
                    return answer
                answer.close()
        tunnel = Tunnel(self._dial(*asked.place, what=str(asked), timeout_s=timeout_s))
        tunnel.begin(what=str(asked), silence_s=timeout_s, until_s=until_s)
        return self._send(asked, tunnel)

    def _send(self, asked: _Asked, tunnel: Tunnel) -> _Answer:
        connection = http.client.HTTPConnection("localhost", asked.place[2])
        connection.sock = HttpSocket(tunnel)
        try:
            connection.request(asked.method, asked.path, body=asked.body, headers=dict(asked.headers))
            return _Answer(connection.getresponse(), tunnel, asked, self._kept)
        except (http.client.HTTPException, OSError) as cause:
            tunnel.close()
            raise _broken(asked, cause) from cause
        except BaseException:
            tunnel.close()
            raise


class _Answer:
    """An answer whose head has come. Satisfies `Streamed`."""

    def __init__(self, response: http.client.HTTPResponse, tunnel: Tunnel, asked: _Asked, kept: Kept) -> None:
        self.status: int = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.getheaders()}
        self._response = response
        self._tunnel: Tunnel | None = tunnel
        self._asked = asked
        self._kept = kept

    def read(self, limit: int) -> bytes:
        """At most `limit` bytes of the body."""
        try:
            # Only a read without a limit notices a body that is shorter than it says.
            declared = self.headers.get("content-length", "")
            return self._response.read(limit if declared.isdigit() and int(declared) > limit else None)
        except (http.client.HTTPException, OSError) as cause:
            raise _broken(self._asked, cause) from cause

    def __iter__(self) -> Iterator[bytes]:
        try:
            while chunk := self._response.read1(_CHUNK_BYTES):
                yield chunk
            if self._response.length:
                raise BrokenOffError(f"{self._asked}: the answer ended {self._response.length} bytes too early")
        except (http.client.HTTPException, OSError) as cause:
            raise _broken(self._asked, cause) from cause
        finally:
            self.close()

    def close(self) -> None:
        """See `Streamed.close`."""
        tunnel, self._tunnel = self._tunnel, None  # once it is given away it is another's
        if tunnel is None:
            return
        read_whole = self._response.isclosed() and not self._response.length
        if read_whole and not self._response.will_close:
            self._kept.give(self._asked.place, tunnel)
        else:
            tunnel.close()


def _broken(asked: _Asked, cause: BaseException) -> BrokenOffError:
    if isinstance(cause, http.client.RemoteDisconnected):
        return BrokenOffError(f"{asked}: the connection was closed without an answer")
    if isinstance(cause, http.client.BadStatusLine):
        return BrokenOffError(f"{asked}: what answers there is no HTTP server")
    return BrokenOffError(f"{asked}: the answer ended in the middle")
