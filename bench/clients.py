"""Many clients at once, in one process: each submits a tiny job, waits for its result, and submits the next.

A client keeps its connection and speaks as little HTTP as will do, so that clients cost less than what they measure.
The same clients serve both sides: who answers 200 has given the result, who answers 202 is asked again at `Location`.
"""

import asyncio
import json
import time
from typing import Any, NamedTuple

CLIENTS = 50
FIRST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.1
ACCEPTED = 202


class Load(NamedTuple):
    """What the clients saw."""

    seconds: float
    latencies: list[float]
    """Seconds from submitting a job to having its result."""
    failures: list[str]

    def percentile(self, share: float) -> float:
        return sorted(self.latencies)[int(share * (len(self.latencies) - 1))]


def load(port: int, path: str, bodies: list[bytes], headers: dict[str, str]) -> Load:
    """Every body once, by CLIENTS clients."""
    return asyncio.run(_load(port, path, bodies, headers))


async def _load(port: int, path: str, bodies: list[bytes], headers: dict[str, str]) -> Load:
    waiting, latencies, failures = list(bodies), [], []

    async def work() -> None:
        client = _Connection(*await asyncio.open_connection("127.0.0.1", port), headers)
        while waiting:
            started = time.perf_counter()
            fault = await _job(client, path, waiting.pop())
            latencies.append(time.perf_counter() - started)
            failures.extend([fault] if fault else [])
        client.close()

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(min(CLIENTS, len(bodies)))))
    return Load(time.perf_counter() - started, latencies, failures)


async def _job(client: "_Connection", path: str, body: bytes) -> str | None:
    """What went wrong, if something did."""
    status, head, answer = await client.ask("POST", path, body)
    pause = FIRST_PAUSE_S
    while status == ACCEPTED:
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)
        status, _, answer = await client.ask("GET", head["location"])
    return None if status == 200 and "values" in answer else f"{status} {str(answer)[:200]}"


class _Connection:
    """HTTP/1.1, one request after the other; bodies by length or in chunks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: dict[str, str]) -> None:
        self._reader, self._writer = reader, writer
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, str], dict[str, Any]]:
        """Status, headers in lower case, and the document."""
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{self._headers}Content-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        answer = await self._body(headers)
        return int(first.split()[1]), headers, json.loads(answer)

    def close(self) -> None:
        self._writer.close()

    async def _body(self, headers: dict[str, str]) -> bytes:
        if "content-length" in headers:
            return await self._reader.readexactly(int(headers["content-length"]))
        body = b""
        while size := int(await self._reader.readline(), 16):
            body += await self._reader.readexactly(size)
            await self._reader.readline()
        await self._reader.readline()
        return body
