"""The child's end of its socket to the supervisor: frames out, frames in, and parts of a job read as files.

Runs in templates and children. Does not know what the messages mean: see `template` and `chunk`.
"""

import io
import socket
from typing import Any

from jobs import protocol
from jobs.protocol import PIECE_BYTES, Data, FromChild, FromSupervisor, Read


class PipeClosed(ConnectionError):
    """The supervisor is gone, or it sent something that is no answer; there is nobody left to report to."""


class Pipe:
    """Sends and receives one frame at a time over a blocking stream socket, which stays its owner's to close."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, message: FromChild) -> None:
        """Raises PipeClosed."""
        try:
            self._connection.sendall(protocol.encode(message))
        except OSError as error:
            raise PipeClosed(str(error)) from error

    def receive(self) -> FromSupervisor:
        """The next message. Raises PipeClosed at the end of the stream and for what is no message."""
        length = protocol.frame_length(self._exactly(protocol.LENGTH.size))
        try:
            return protocol.decode_from_supervisor(self._exactly(length))
        except protocol.BadFrame as error:
            raise PipeClosed(str(error)) from error

    def part(self, name: str, size: int, known: bytes = b"") -> io.BufferedReader:
        """A seekable binary file over one part of the job, fetched PIECE_BYTES at a time as it is read; `known` is what
        it begins with.
        """
        return io.BufferedReader(PartFile(self, name, size, known), PIECE_BYTES)

    def ask(self, part: str, offset: int, length: int, step: int = 0, count: int = 1) -> bytes:
        """One piece of a part, or strips of it (see `Read`), at most PIECE_BYTES. Raises PipeClosed."""
        self.send(Read(part, offset, min(length, PIECE_BYTES), step, count))
        answer = self.receive()
        if not isinstance(answer, Data):
            raise PipeClosed(f"{type(answer).__name__} instead of Data")
        return answer.data

    def _exactly(self, count: int) -> bytes:
        buffer = bytearray(count)
        view, got = memoryview(buffer), 0
        while got < count:
            try:
                received = self._connection.recv_into(view[got:])
            except OSError as error:
                raise PipeClosed(str(error)) from error
            if not received:
                raise PipeClosed("the supervisor closed the connection")
            got += received
        return bytes(buffer)


class PartFile(io.RawIOBase):
    """One part of a job. Every read is a question to the supervisor, but for what was read last: a small file is gone
    through several times.
    """

    def __init__(self, pipe: Pipe, name: str, size: int, known: bytes) -> None:
        self._pipe, self._name, self._size, self._position = pipe, name, size, 0
        self._last, self._last_at = known, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def strips(self, offset: int, length: int, step: int, count: int) -> bytes:
        """Strips of at most PIECE_BYTES together, fewer bytes only at the end of the part."""
        return self._pipe.ask(self._name, offset, length, step, count)

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), PIECE_BYTES, self._size - self._position)
        if wanted <= 0:
            return 0
        data = self._last[self._position - self._last_at :][:wanted] if self._position >= self._last_at else b""
        if not data:
            data = self._last = self._pipe.ask(self._name, self._position, wanted)
            self._last_at = self._position
        if len(data) > wanted:
            raise PipeClosed("more bytes than asked for")
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
