"""One byte stream to a port of a pod: the framing of pods/portforward over a WebSocket, with a deadline.

The framing (Kubernetes 1.34, `k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go`): each port has two channels,
data (even) and error (odd). Every binary message begins with its channel's number; the first one of a channel holds the
port, two bytes, little end first.

The client library's own `PortForward` is not used: it drops bytes that are still to be read when the other side closes,
and a thread of its own hides why.
"""

from __future__ import annotations

import io
import ssl
import time
from typing import TYPE_CHECKING, Any, Final

from llmdctl.errors import BrokenOffError, ClusterError, NoAnswerError, NoKubeletError, PortClosedError
from llmdctl.kube.dialing import NODE_REMEDY

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer

_DATA: Final = 0
_ERROR: Final = 1
_PORT_BYTES: Final = 2
_REFUSED: Final = ("connection refused", "failed to connect to", "no such port")  # as containerd and CRI-O say it
_SIMULATED: Final = ("no forward found for port", "forward not found for port", "no target or command")
"""What kwok says where nobody told it whereto: kwok 0.8.0, pkg/kwok/server/debugging_port_forword.go."""
_SHORTEST_S: Final = 0.001


class Tunnel(io.RawIOBase):
    """Bytes to and from one port.

    Reading raises PortClosedError (nothing listens), NoAnswerError (the time is up), NoKubeletError (the node is
    simulated) and BrokenOffError.
    """

    def __init__(self, socket: Any) -> None:  # noqa: ANN401  untyped library
        super().__init__()
        self._socket = socket
        self._what = "a connection to a pod"
        self._silence_s = 0.0
        self._until_s: float | None = None
        self._greeted: set[int] = set()
        self._waiting = b""

    def begin(self, *, what: str, silence_s: float, until_s: float | None) -> None:
        """What comes now, as errors call it. `until_s`: its end on the monotonic clock; None: only a silence of
        `silence_s` ends it."""
        self._what, self._silence_s, self._until_s = what, silence_s, until_s

    @property
    def quiet(self) -> bool:
        """Whether it is open and nothing is to be read: the other side has neither closed it nor spoken unasked."""
        from urllib3.util.wait import wait_for_read

        sock = self._socket.sock
        if self.closed or self._waiting or sock is None:
            return False
        hidden = sock.pending() if isinstance(sock, ssl.SSLSocket) else 0  # read off the wire already
        return not hidden and not wait_for_read(sock, timeout=0)

    def readable(self) -> bool:
        """It is."""
        return True

    def sendall(self, data: bytes) -> None:
        """Send all of `data`."""
        import websocket

        try:
            self._socket.settimeout(self._left_s())
            self._socket.send(bytes([_DATA]) + data, websocket.ABNF.OPCODE_BINARY)
        except websocket.WebSocketTimeoutException as cause:
            raise self._late() from cause
        except (websocket.WebSocketException, OSError) as cause:
            # Why it was closed waits to be read: most often nothing listens on that port.
            self._drain()
            raise BrokenOffError(f"{self._what}: the connection was closed while the request was sent") from cause

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Some bytes, 0 at the end."""
        if not self._waiting:
            self._waiting = self._next()
        view = memoryview(buffer).cast("B")
        size = min(len(view), len(self._waiting))
        view[:size] = self._waiting[:size]
        self._waiting = self._waiting[size:]
        return size

    def close(self) -> None:
        """End the connection; the other side is not waited for."""
        if not self.closed:
            self._socket.shutdown()
        super().close()

    def _next(self) -> bytes:
        """The next data, empty at the end."""
        import websocket

        while True:
            try:
                self._socket.settimeout(self._left_s())
                opcode, frame = self._socket.recv_data_frame(control_frame=True)
            except websocket.WebSocketTimeoutException as cause:
                raise self._late() from cause
            except (websocket.WebSocketException, OSError):
                return b""
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return b""
            if opcode != websocket.ABNF.OPCODE_BINARY or not frame.data:
                continue
            data = self._content(frame.data[0], bytes(frame.data[1:]))
            if data:
                return data

    def _content(self, channel: int, data: bytes) -> bytes:
        if channel not in self._greeted:
            self._greeted.add(channel)
            data = data[_PORT_BYTES:]
        if channel == _ERROR and data:
            raise self._refusal(data.decode("utf-8", errors="replace").strip())
        return data if channel == _DATA else b""

    def _refusal(self, said: str) -> ClusterError:
        if any(words in said for words in _SIMULATED):
            return NoKubeletError(f"{self._what}: its node is simulated and forwards nothing", remedy=NODE_REMEDY)
        if any(words in said for words in _REFUSED):
            return PortClosedError(
                f"{self._what}: nothing listens there",
                remedy="The process in the pod has not opened this port yet, or listens on another one: see its log.",
            )
        return BrokenOffError(f"{self._what}: {said}")

    def _drain(self) -> None:
        """Raise what the error channel says, if it says something."""
        while self._next():
            pass

    def _late(self) -> NoAnswerError:
        return NoAnswerError(f"{self._what}: no answer in time")

    def _left_s(self) -> float:
        if self._until_s is None:
            return self._silence_s
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            raise self._late()
        return max(min(left_s, self._silence_s), _SHORTEST_S)


class HttpSocket:
    """A tunnel as far as `http.client` needs a socket. Closing it closes nothing: an answer may still be to be read."""

    def __init__(self, tunnel: Tunnel) -> None:
        self.sendall = tunnel.sendall
        self._read = tunnel.readinto

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        """What an answer is read from."""
        return io.BufferedReader(_Borrowed(self._read))

    def close(self) -> None:
        """Nothing: who made the tunnel closes it."""


class _Borrowed(io.RawIOBase):
    """A reader whose end does not end what it reads from."""

    def __init__(self, read: Callable[[WriteableBuffer], int]) -> None:
        super().__init__()
        self._read = read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._read(buffer)
