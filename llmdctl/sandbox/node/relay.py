"""Carry connections from the host's loopback into the network of a real node.

`python -m llmdctl.sandbox.node.relay PID PORT` listens at 127.0.0.1:PORT of the host and dials the same port of the
loopback in the network of PID. `Relay` does it for any address from a thread of the calling process.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading

from llmdctl.errors import ClusterError
from llmdctl.sandbox.node.namespaces import enter_network

_CHUNK_BYTES = 64 * 1024
_BACKLOG = 256


def listener(port: int = 0) -> socket.socket:
    """A socket that listens at 127.0.0.1:`port`, 0 for any free one. Raises ClusterError when it is taken."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind(("127.0.0.1", port))
    except OSError as error:
        opened.close()
        raise ClusterError(f"127.0.0.1:{port} cannot be listened on: {error.strerror}") from error
    opened.listen(_BACKLOG)
    return opened


class Relay:
    """A thread that carries every connection to `listening` on to `target` (host, port) in the network of `pid`."""

    def __init__(self, listening: socket.socket, *, pid: int, target: tuple[str, int]) -> None:
        """Start it. Raises ClusterError when the network cannot be entered."""
        self._listening = listening
        self._pid = pid
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._began = threading.Event()
        self._failure: OSError | None = None
        self._carrying: set[asyncio.Task[object]] = set()  # asyncio itself refers to its tasks weakly
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()
        self._began.wait()
        if self._failure is not None:
            raise ClusterError("the real node's network is gone") from self._failure

    def close(self) -> None:
        """Stop listening and break off what is open."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        self._listening.close()

    def _run(self) -> None:
        try:
            enter_network(self._pid)  # of this thread alone: the process stays where it is
        except OSError as error:
            self._failure = error
            self._began.set()
            return
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._carry, sock=self._listening)
        self._began.set()
        await self._end.wait()
        server.close()
        open_yet = tuple(self._carrying)
        for task in open_yet:
            task.cancel()
        await asyncio.gather(*open_yet, return_exceptions=True)
        await asyncio.sleep(0)  # transports that were aborted close their sockets in the loop's next turn

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()  # the client sees a reset, as if nobody listened
            return
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        except (OSError, asyncio.CancelledError):
            pass  # one side has broken off: so does the other
        finally:
            for side in (writer, far_writer):
                side.transport.abort()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Everything from `source` to `target`, and then its end."""
    while data := await source.read(_CHUNK_BYTES):
        target.write(data)
        await target.drain()
    await _flushed(target)
    if target.can_write_eof():
        with contextlib.suppress(OSError):
            target.write_eof()


async def _flushed(target: asyncio.StreamWriter) -> None:
    await target.drain()


def main(pid: int, port: int) -> None:
    """Relay the same port for ever."""
    relay = Relay(listener(port), pid=pid, target=("127.0.0.1", port))
    try:
        threading.Event().wait()
    finally:
        relay.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
