"""An API server on this machine that serves pods/portforward alone: for the tunnel, where frames matter."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


class Peer:
    """The server's end of one WebSocket, after its port numbers are sent."""

    def __init__(self, sock: socket.socket, port: int) -> None:
        self._sock = sock
        self.port = port
        for channel in (0, 1):
            self.send(channel, struct.pack("<H", port))

    def send(self, channel: int, data: bytes) -> None:
        payload = bytes([channel]) + data
        size = len(payload)
        head = b"\x82" + (bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size))
        self._sock.sendall(head + payload)

    def read(self) -> bytes:
        """The data of one masked frame; empty at the end."""
        head = self._exactly(2)
        if len(head) < 2 or head[0] & 0x0F == 8:
            return b""
        size = head[1] & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", self._exactly(2))
        mask, masked = self._exactly(4), self._exactly(size)
        return bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked))[1:]

    def request(self) -> bytes:
        """A request with its head."""
        read = b""
        while b"\r\n\r\n" not in read and (more := self.read()):
            read += more
        return read

    def close(self) -> None:
        self._sock.sendall(b"\x88\x02\x03\xe8")

    def _exactly(self, size: int) -> bytes:
        read = b""
        while len(read) < size and (more := self._sock.recv(size - len(read))):
            read += more
        return read


class PortForwardServer:
    """`pod(peer)` plays what stands behind the port; `refusal` (status, body) is answered instead of a handshake."""

    def __init__(self) -> None:
        self.pod: Callable[[Peer], object] = lambda peer: None
        self.refusal: tuple[int, bytes] | None = None
        self.silent: threading.Event | None = None
        self.heads: list[bytes] = []
        self.address = ""

    def handle(self, sock: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(65536)
        self.heads.append(head)
        if self.silent is not None:
            self.silent.wait(30)
            return
        if self.refusal is not None:
            status, body = self.refusal
            sock.sendall(b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
            return
        key = head.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
        accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest())
        sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: v4.channel.k8s.io\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        port = int(head.partition(b"?ports=")[2].partition(b" ")[0])
        self.pod(Peer(sock, port))


@contextmanager
def port_forwarding() -> Iterator[PortForwardServer]:
    """The server for the time of a test, on a free port of 127.0.0.1."""
    server = PortForwardServer()
    listening = socket.create_server(("127.0.0.1", 0))
    server.address = f"http://127.0.0.1:{listening.getsockname()[1]}"

    def one(sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):  # the client may have gone, which a test may want
            server.handle(sock)

    def accept() -> None:
        while True:
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(sock,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)
