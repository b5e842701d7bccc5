"""The wire between one process and Valkey, which can be cut, delayed, or lose a reply. Runs in the campaign.

Does not understand what passes: bytes only. A reply is lost after the command has reached Valkey, which is the case
that decides whether a command may be sent twice.
"""

import asyncio
import contextlib

PIECE_BYTES = 64 * 1024
LOCAL = "127.0.0.1"


class Proxy:
    """Listens on a port of its own and forwards to `target_port`."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.delay_s = 0.0
        """Added to every piece of a request."""
        self.refusing = False
        """New connections are closed at once."""
        self.losing_replies = False
        """A connection is cut at its next reply."""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, LOCAL, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection, whatever is on its way."""
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # cut by us, or one of the two ends went: the other hears of it below
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            return
        their_reader, their_writer = await asyncio.open_connection(LOCAL, self._target_port)
        both = {writer, their_writer}
        self._writers |= both
        pumps = [
            asyncio.create_task(self._requests(reader, their_writer)),
            asyncio.create_task(self._replies(their_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._writers -= both
            their_writer.transport.abort()
            writer.transport.abort()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _requests(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(PIECE_BYTES):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                sink.write(piece)
                await sink.drain()

    async def _replies(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while (piece := await source.read(PIECE_BYTES)) and not self.losing_replies:
                sink.write(piece)
                await sink.drain()
