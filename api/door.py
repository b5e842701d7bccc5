"""One HTTP connection of the web process: what a sender may cost before a handler hears of it, and how it is let go.

uvicorn's protocol over httptools, with bounds: bytes and fields of a head, its URL, trailers, requests that are sent
ahead of their answers, time for a head, and connections at once. Each refusal is a problem.

What is still being sent after an answer is read and dropped for a while (lingering close): to close with bytes unread
is to reset the connection, and the answer is lost for all who send before they read. Does not cover bodies that a
handler reads: see `admission`.
"""

import asyncio
from typing import Any, cast

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.line import Flow, Line, as_bytes, bound_unsent
from jobs.errors import HeadTooLarge, MalformedRequest, Problem, SlowHead, TooManyConnections, UrlTooLong

HEAD_BYTES = 32 * 1024
HEAD_FIELDS = 100
"""Of a request, its trailers included."""
URL_BYTES = 8 * 1024
HEAD_S = 15.0
AHEAD = 8
"""Requests that may be understood before the one that comes before them is answered; the rest waits, unread."""
CONNECTIONS = 256
"""Beyond it the one that has waited longest for a head goes, else for its reader; where all have work, the new one is
refused.
"""
STALL_S, STALL_BYTES = 30.0, 16 * 1024
"""An answer of which fewer bytes are taken in that time is given up,"""
UNREAD_BYTES = 12 * 1024 * 1024
"""and, where answers that wait for their readers are more than this together, that of who has waited longest."""
LINGER_S, LINGER_SILENCE_S = 60.0, 10.0
LINGER_BYTES = 1024 * 1024 * 1024
"""What is dropped after an answer takes so long, keeps silent so long, and has so many bytes at most."""
_HEAD_END = b"\r\n\r\n"
_BODY_FIELDS = {b"content-length", b"transfer-encoding"}
log = structlog.get_logger()


class Door(HttpToolsProtocol):
    """A connection: it waits for a head, takes a request in, is answering it, or lingers."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._receiving = False
        """Between the end of a head and the end of its body and trailers."""
        self._measured = False
        """The length of that body is known."""
        self._unread = 0
        """Bytes since a head, a body's last byte or a request ended: of a head or of trailers, not there in whole."""
        self._fields = 0
        self._held = b""
        """What came after a request that is being answered."""
        self._dropped = 0
        self._deaf = False
        """What comes after a request cannot be read, and is dropped until that one is answered."""
        self._timer: asyncio.TimerHandle | None = None
        self._since = 0.0
        """When it began to wait for a head, or to linger."""
        self._stalled_since: float | None = None
        """The other side does not read."""
        self._stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._socket = transport
        bound_unsent(transport)
        line = cast(asyncio.Transport, Line(transport, self._hang_up))
        super().connection_made(line)
        self.flow = self._flow = Flow(line)
        self._since = self.loop.time()
        self._set_timer(HEAD_S, self._head_is_late)
        if len(self.connections) > CONNECTIONS:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_timer(None)
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The other side does not take what it has asked for."""
        super().pause_writing()
        self._stalled_since = self.loop.time()
        self._relieve()
        self._watch_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled_since = None
        if self._stall_timer:
            self._stall_timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._drops or self._answered_early:
            self._dropped += len(data)
            if self._dropped > LINGER_BYTES:
                self._socket.abort()
        if self._drops:
            return
        data, self._held = self._held + data, b""
        self._feed(data)
        if self.waiting and self._timer is None:
            self._set_timer(HEAD_S, self._head_is_late)

    def shutdown(self) -> None:
        """uvicorn's, when the process leaves: whoever has an answer has had time to read it."""
        if self._lingering or self._answered_early:
            self._socket.abort()
        else:
            super().shutdown()

    @property
    def waiting(self) -> bool:
        """For a head, or the rest of one."""
        return self._answered and not self._receiving and not self._lingering

    @property
    def _lingering(self) -> bool:
        return self.transport.is_closing()

    @property
    def _drops(self) -> bool:
        return self._lingering or self._deaf

    @property
    def _answered(self) -> bool:
        """The last request has its answer, or there was none yet."""
        return bool(getattr(self.cycle, "response_complete", True))

    @property
    def _answering(self) -> bool:
        """The request is here in whole, its answer not: what comes now belongs to the next one, which waits."""
        return not self._answered and not self._receiving

    @property
    def _answered_early(self) -> bool:
        """The request has its answer, and its body is still coming."""
        return self._receiving and self._answered

    # What has come

    def _feed(self, data: bytes) -> None:
        at = 0
        while at < len(data) and not self._drops:
            if self._answering:
                self._hold(data[at:])
                return
            size = self._step(data, at)
            if not size:
                self._refuse(_too_large("trailers" if self._receiving else "headers", HEAD_BYTES, "bytes"))
                return
            at += self._parse(data[at : at + size])

    def _step(self, data: bytes, at: int) -> int:
        """How many bytes the parser is given at once: to the end of a head, and no more than that may still have.

        Of a body whose length is known all: it has no trailers.
        """
        if self._receiving and self._measured:
            return len(data) - at
        most = HEAD_BYTES - self._unread
        end = -1 if self._receiving else data.find(_HEAD_END, at, at + most)
        return most if end < 0 else end + len(_HEAD_END) - at

    def _parse(self, piece: bytes) -> int:
        """Returns how many bytes were used."""
        self._unread += len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:  # not to another protocol: what follows is a request again
            return max(1, int(upgrade.args[0]))
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, Problem) else MalformedRequest(reason="it is not HTTP/1.1"))
        return len(piece)

    def _hold(self, data: bytes) -> None:
        self._held = data
        self._flow.shut = True
        self._flow.pause_reading()

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= AHEAD:
            raise MalformedRequest(reason=f"more than {AHEAD} requests were sent ahead of their answers")
        self._fields = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > URL_BYTES:
            raise UrlTooLong(limit_bytes=URL_BYTES)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        if self._fields > HEAD_FIELDS:
            raise _too_large("headers", HEAD_FIELDS, "fields")
        if not self._receiving:  # nobody has asked for trailers, and they are no headers
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._set_timer(None)
        self._unread = 0
        super().on_headers_complete()
        self._receiving = True
        fields = {name for name, _ in self.headers}
        self._measured = b"content-length" in fields
        if fields & _BODY_FIELDS:
            self.flow.pause_reading()  # until the handler asks: a crowd that waits for its turn would fill the memory

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._answered_early:
            self._set_timer(None)
        super().on_message_complete()
        self._receiving, self._unread = False, 0

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._answered:
            self.cycle.body = bytearray()  # what a handler did not read is not kept with an idle connection
        self._since = self.loop.time()
        if self._lingering:
            return
        if self._answered_early:
            self._watch_rest()
        elif not self._answering:
            data, self._held = self._held, b""
            self._flow.shut = False
            self.flow.resume_reading()
            if data:
                self.data_received(data)

    # How it ends

    def _refuse(self, problem: Problem) -> None:
        """Answer in the handler's place where nothing has been answered, and hang up."""
        log.info("request_refused", code=problem.code, status=problem.status)
        if self._answered_early:
            self.transport.close()
            return
        if not self._answered and not self._receiving:  # it would read as the answer to the request before it
            self.cycle.keep_alive = False
            self._deaf = True
            return
        if not self._answered:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self._socket.abort()
                return
        self.transport.write(as_bytes(problem, self.server_state.default_headers))
        self._receiving = True  # nobody knows where it ends
        self.transport.close()

    def _hang_up(self) -> None:
        """At once where all that was sent has been read."""
        if self._socket.is_closing() or not (self._receiving or self._held or self._deaf):
            self._socket.close()
            return
        if self._socket.can_write_eof():
            self._socket.write_eof()
        self._held, self._since = b"", self.loop.time()
        self._flow.shut = False
        self._socket.resume_reading()
        self._watch_rest()

    def _watch_rest(self) -> None:
        self._dropped = 0
        self._set_timer(LINGER_SILENCE_S, self._look_at_rest, self.loop.time() + LINGER_S, 0)

    def _look_at_rest(self, deadline: float, before: int) -> None:
        if self._dropped == before or self.loop.time() > deadline:
            self._socket.abort()
        else:
            self._set_timer(LINGER_SILENCE_S, self._look_at_rest, deadline, self._dropped)

    def _head_is_late(self) -> None:
        if self._unread:
            self._refuse(SlowHead(seconds=HEAD_S))
        else:
            self._socket.close()

    def _make_room(self) -> None:
        others = (other for other in cast("set[Door]", self.connections) if other is not self)
        idle = [other for other in others if other.waiting or other._lingering]
        longest = min(idle, key=lambda other: other._since, default=None) or next(iter(self._stalled()), None)
        if longest is None:
            self._refuse(TooManyConnections(limit=CONNECTIONS))
            return
        self.connections.discard(longest)  # it is told of its end only after others may have come
        longest._socket.abort()

    def _watch_reader(self) -> None:
        self._stall_timer = self.loop.call_later(STALL_S, self._look_at_reader, self._socket.get_write_buffer_size())

    def _look_at_reader(self, before: int) -> None:
        if before - self._socket.get_write_buffer_size() < STALL_BYTES:
            self._socket.abort()
        else:
            self._watch_reader()

    def _stalled(self) -> "list[Door]":
        """Other connections whose readers do not read, the longest first."""
        others = (other for other in cast("set[Door]", self.connections) if other is not self)
        return sorted(
            (other for other in others if other._stalled_since is not None), key=lambda other: other._stalled_since or 0
        )

    def _relieve(self) -> None:
        stalled = self._stalled()
        held = sum(other._socket.get_write_buffer_size() for other in (self, *stalled))
        for other in stalled:
            if held <= UNREAD_BYTES:
                return
            held -= other._socket.get_write_buffer_size()
            other._socket.abort()

    def _set_timer(self, seconds: float | None, *call: Any) -> None:
        """In place of the one that was set."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, *call)


def _too_large(field: str, limit: int, unit: str) -> HeadTooLarge:
    return HeadTooLarge(field=field, limit=limit, unit=unit)
