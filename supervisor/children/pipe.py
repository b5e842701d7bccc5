"""The supervisor's end of a child's connection, and the tail of its stderr. Runs on the event loop.

The child's end is `child.pipe`. What arrives is decoded into known types and held to
bounds, or BadFrame is raised.
"""

import asyncio
import contextlib
import os
import socket

from jobs.protocol import LENGTH, FromChild, FromSupervisor, decode_from_child, encode, frame_length
from supervisor.children.claims import bounded

STDERR_BYTES = 4096


class Pipe:
    """Messages to and from one child."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, connection: socket.socket) -> "Pipe":
        return cls(*await asyncio.open_unix_connection(sock=connection))

    async def send(self, message: FromSupervisor) -> None:
        """A child that is gone is not an error here: its end is seen by `receive`."""
        with contextlib.suppress(ConnectionError):
            self._writer.write(encode(message))
            await self._writer.drain()

    async def receive(self) -> FromChild | None:
        """The next message; None when the child has closed its end. Raises jobs.protocol.BadFrame."""
        try:
            header = await self._reader.readexactly(LENGTH.size)
            return bounded(decode_from_child(await self._reader.readexactly(frame_length(header))))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    def close(self) -> None:
        self._writer.close()


class StderrTail:
    """Keeps the last bytes that a child and its native libraries write to stdout and stderr."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._tail = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._read)

    def text(self) -> str:
        """What was written last; reads what is still in the pipe."""
        self._read()
        return self._tail.decode(errors="replace").strip()

    def close(self) -> None:
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self) -> None:
        while self._descriptor >= 0:
            try:
                data = os.read(self._descriptor, 65536)
            except BlockingIOError:
                return
            if not data:
                self.close()
            self._tail += data
            del self._tail[:-STDERR_BYTES]
