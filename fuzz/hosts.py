"""Two hosts beside the service, in the campaign's process: one that it may speak to, and one that it may not.

The first (SINK) gives files and answers every other request in one of the ways that hosts have; what comes to the
second (CANARY) has escaped. Addresses are fixed, so that an input is the same whoever draws it.
"""

import asyncio
import ipaddress
from collections.abc import Sequence
from contextlib import suppress

from chaos.findings import Findings
from fuzz.damage import TEXTS, Draw

SINK, CANARY, PORT = "127.77.0.2", "127.77.0.1", 8077
SETTINGS = {
    "CALLBACK_HOSTS": f"{SINK}:{PORT},*.hooks.invalid",
    "CALLBACK_SECRET": "YSBzZWNyZXQgb2YgdGhlIGNhbXBhaWduLCBub3QgYSBzZWNyZXQ=",
}
ENDLESS_BYTES = 64 * 1024
_WAYS: dict[str, bytes] = {
    "ok": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "redirect": f"HTTP/1.1 307 Moved\r\nLocation: http://{CANARY}:{PORT}/\r\nContent-Length: 0\r\n\r\n".encode(),
    "found": f"HTTP/1.1 302 Found\r\nLocation: //{CANARY}:{PORT}/\r\nContent-Length: 0\r\n\r\n".encode(),
    "error": b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno",
    "gone": b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n",
    "short": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\na,b\n",
    "garbage": b"\x00\xff" * 500,
    "heads": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000,
    "long": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\na,b\n1,2\n",
    "lies": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\na,b\n1,2\n",
    "huge": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\na,b\n",
    "nothing": b"",
}


class Hosts:
    """`async with Hosts(files, findings):`; files are at `/file/<number>`."""

    def __init__(self, files: Sequence[bytes], findings: Findings) -> None:
        self._files, self._findings = files, findings

    async def __aenter__(self) -> "Hosts":
        self._servers = [
            await asyncio.start_server(self._answer, SINK, PORT),
            await asyncio.start_server(self._escaped, CANARY, PORT),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode(errors="replace").partition("?")[0]
            writer.write(self._content(path))
            await writer.drain()
        writer.close()

    def _content(self, path: str) -> bytes:
        kind, _, name = path.strip("/").partition("/")
        if kind == "file" and name.isdigit():
            file = self._files[int(name) % len(self._files)]
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(file) + file
        if kind == "endless":
            return b"HTTP/1.1 200 OK\r\n\r\na,b\n" + b"1,2\n" * ENDLESS_BYTES
        return _WAYS.get(kind, _WAYS["ok"])

    async def _escaped(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._findings.add("asked another host", str(writer.get_extra_info("peername")))
        writer.close()


def url(draw: Draw, good: str) -> str:
    """`good` is a path at the host that may be asked; now and then one of its ways, or somebody else."""
    chance = draw.random()
    if chance < 0.4:
        return f"http://{SINK}:{PORT}{good}"
    if chance < 0.7:
        return f"http://{SINK}:{PORT}/{draw.choice((*_WAYS, 'endless'))}"
    number = int(ipaddress.ip_address(CANARY))
    others = (
        CANARY,
        str(number),
        hex(number),
        "127.077.0.1",
        "0177.77.0.1",
        "127.5046273",
        f"[::ffff:{CANARY}]",
        f"[64:ff9b::{number >> 16:x}:{number & 65535:x}]",
        f"{SINK}:{PORT}@{CANARY}",
        f"{SINK}\\@{CANARY}",
        f"{CANARY}#{SINK}",
        f"{SINK}%00.{CANARY}",
        f"{CANARY}%2f{SINK}",
        "localhost",
        "a.hooks.invalid",
        draw.choice(TEXTS),
    )
    scheme = draw.choice(("http", "http", "http", "https", "HTTP", "ftp", "file", ""))
    port = draw.choice((f":{PORT}", f":{PORT}", "", ":0", ":99999", ":x"))
    return f"{scheme}://{draw.choice(others)}{port}{good}"
