"""Requests that this process makes itself, to hosts that `destinations` allows. Used in the web process.

The standard library's client, in threads: the connection goes to the address that was judged, whatever the name
resolves to by then; TLS still asks for the name. No redirect is followed, no proxy of the environment is used, and of
an answer no more is read than is asked for. Every wait has a limit.
"""

import asyncio
import http.client
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, TypeVar

from api.destinations import Destination, Destinations
from jobs.version import VERSION

CONNECT_S, SILENCE_S = 10.0, 30.0
SHOWN_CHARS = 200
THREADS = 16
T = TypeVar("T")
FAILURES = (OSError, http.client.HTTPException)
"""What a request may end with beside an answer; ssl's errors are among the first."""


class Exchange:
    """One request under way, and its answer. Raises what is in FAILURES."""

    def __init__(self, connection: http.client.HTTPConnection, step: Callable[..., Awaitable[Any]]) -> None:
        self._connection, self._step = connection, step
        self._response: http.client.HTTPResponse | None = None

    async def send(self, data: bytes) -> None:
        await self._step(self._connection.send, data)

    async def status(self) -> int:
        """Of the answer, when all is sent."""
        if self._response is None:
            self._response = await self._step(self._connection.getresponse)
        return self._response.status

    @property
    def announced_bytes(self) -> int:
        """Of the answer's body; 0 where nothing is said."""
        return (self._response.length or 0) if self._response else 0

    async def read(self, size: int) -> bytes:
        """Some of the answer's body, empty at its end."""
        await self.status()
        assert self._response
        data: bytes = await self._step(self._response.read1, size)
        if not data and self._response.length:
            raise http.client.IncompleteRead(b"", self._response.length)
        return data


class Outgoing:
    """Makes them, at most THREADS steps of them at once."""

    def __init__(self, destinations: Destinations) -> None:
        self.destinations = destinations
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="outgoing")

    @asynccontextmanager
    async def request(
        self, method: str, url: str, headers: Mapping[str, str], *, field: str
    ) -> AsyncIterator[Exchange]:
        """A request whose body is still to be sent: `headers` say how long it is. Raises ForbiddenUrl, and FAILURES."""
        destination = self.destinations.check(url, field)
        async with asyncio.timeout(CONNECT_S):
            addresses = await self.destinations.addresses(destination, field)
        connection = http.client.HTTPConnection(destination.host, destination.port, timeout=SILENCE_S)
        try:
            await self._step(_begin, connection, destination, addresses, method, headers)
            yield Exchange(connection, self._step)
        finally:
            connection.close()

    async def _step(self, act: Callable[..., T], *arguments: Any) -> T:
        """In a thread of our own, so that hosts that hang hold up nobody but each other."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, act, *arguments)


def _socket(destination: Destination, addresses: list[str]) -> socket.socket:
    failure: OSError = OSError("it has no address")
    for address in addresses:
        try:
            plain = socket.create_connection((address, destination.port), timeout=CONNECT_S)
        except OSError as error:
            failure = error
            continue
        plain.settimeout(SILENCE_S)
        if destination.scheme == "http":
            return plain
        try:
            return _trust().wrap_socket(plain, server_hostname=destination.host)
        except OSError:
            plain.close()
            raise
    raise failure


def _begin(
    connection: http.client.HTTPConnection,
    destination: Destination,
    addresses: list[str],
    method: str,
    headers: Mapping[str, str],
) -> None:
    connection.sock = _socket(destination, addresses)
    connection.putrequest(method, destination.target, skip_accept_encoding=True)
    for name, value in {"User-Agent": f"shap-supervisor/{VERSION}", **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()


@cache
def _trust() -> ssl.SSLContext:
    """The system's certificates: read when they are first needed, as they take memory."""
    return ssl.create_default_context()


def told(error: BaseException) -> str:
    """Why there is no answer, in a few words."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return (str(error) or type(error).__name__)[:SHOWN_CHARS]
