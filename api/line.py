"""What lies between one HTTP connection and its socket: how it is written to, held back and closed. See `door`."""

import asyncio
import socket
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl

from api.problems import respond
from jobs.errors import Problem

UNSENT_BYTES = 128 * 1024
"""That the kernel takes ahead of a connection's reader: it would take megabytes, of memory that nobody counts."""


class Line:
    """The transport as uvicorn sees it: closing it is for `Door` to do."""

    def __init__(self, transport: asyncio.Transport, hang_up: Any) -> None:
        self._transport = transport
        self._hang_up = hang_up
        self._closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._closed or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """A handler hears a moment later that the other side has gone; until then uvloop's transport would raise."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        self._closed = True
        self._hang_up()


class Flow(FlowControl):
    """Reads nothing while it is shut, whatever a handler asks for."""

    shut = False

    def resume_reading(self) -> None:
        if not self.shut:
            super().resume_reading()


def bound_unsent(transport: asyncio.Transport) -> None:
    """Linux and macOS; elsewhere the kernel's own bounds hold."""
    line, option = transport.get_extra_info("socket"), getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None and line is not None and line.family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            line.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)


def as_bytes(problem: Problem, default_headers: list[tuple[bytes, bytes]]) -> bytes:
    response = respond(problem)
    headers = [*default_headers, *response.raw_headers, (b"connection", b"close")]
    status = f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}".encode()
    return b"\r\n".join([status, *(b"%b: %b" % header for header in headers), b"", bytes(response.body)])
