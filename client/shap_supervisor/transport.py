"""Performs the operations of `exchange` over connections: one class that blocks, one for an event loop.

All that touches the network is here. Does not know what is asked: see `operations`.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import httpx2

from shap_supervisor.exchange import OK, Answer, Lost, Pause, Request, Steps, Whole

CONNECT_TIMEOUT_S = 10.0
PIECE_BYTES = 256 * 1024
T = TypeVar("T")


class Transport:
    """Blocks. `transport` is for tests."""

    def __init__(
        self, url: str, token: str | None, timeout_s: float, transport: httpx2.BaseTransport | None = None
    ) -> None:
        self._http = httpx2.Client(**_settings(url, token, timeout_s), transport=transport)

    def run(self, steps: Steps[T]) -> T:
        """The operation's result. Whatever is raised on the way, Ctrl-C too, is raised within the operation."""
        resume: Callable[[], Request | Pause] = partial(next, steps)
        while True:
            try:
                step = resume()
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            try:
                resume = partial(steps.send, self._perform(step))
            except BaseException as error:
                resume = partial(steps.throw, error)

    def pieces(self, request: Request) -> Iterator[Answer | bytes]:
        """The answer, and then its body as it comes."""
        with self._http.stream(**_arguments(self._http, request), content=None) as response:
            yield _answer(response, _read(response))
            yield from response.iter_bytes(PIECE_BYTES)

    def close(self) -> None:
        self._http.close()

    def _perform(self, step: Request | Pause) -> Answer | Lost | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        content = step.body.pieces() if step.body else None
        try:
            with self._http.stream(**_arguments(self._http, step), content=content) as response:
                sink = step.sink() if response.status_code in OK else Whole()
                for piece in response.iter_bytes():
                    sink.write(piece)
                return _answer(response, sink)
        except (httpx2.TransportError, httpx2.InvalidURL, httpx2.DecodingError) as error:
            return _lost(self._http, error)


class AsyncTransport:
    """For an event loop. Rows are converted in a thread, so that the loop goes on meanwhile."""

    def __init__(
        self, url: str, token: str | None, timeout_s: float, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        self._http = httpx2.AsyncClient(**_settings(url, token, timeout_s), transport=transport)

    async def run(self, steps: Steps[T]) -> T:
        """As `Transport.run`; a cancelled task is raised within the operation."""
        resume: Callable[[], Request | Pause] = partial(next, steps)
        while True:
            try:
                step = resume()
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            try:
                resume = partial(steps.send, await self._perform(step))
            except BaseException as error:
                resume = partial(steps.throw, error)

    async def pieces(self, request: Request) -> AsyncIterator[Answer | bytes]:
        """As `Transport.pieces`."""
        async with self._http.stream(**_arguments(self._http, request), content=None) as response:
            if response.status_code not in OK:
                await response.aread()
            yield _answer(response, _kept(response))
            async for piece in response.aiter_bytes(PIECE_BYTES):
                yield piece

    async def close(self) -> None:
        await self._http.aclose()

    async def _perform(self, step: Request | Pause) -> Answer | Lost | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        content = _threaded(step.body.pieces()) if step.body else None
        try:
            async with self._http.stream(**_arguments(self._http, step), content=content) as response:
                sink = step.sink() if response.status_code in OK else Whole()
                async for piece in response.aiter_bytes():
                    sink.write(piece)
                return _answer(response, sink)
        except (httpx2.TransportError, httpx2.InvalidURL, httpx2.DecodingError) as error:
            return _lost(self._http, error)


async def _threaded(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


def _settings(url: str, token: str | None, timeout_s: float) -> dict[str, Any]:
    local = httpx2.URL(url).host in {"127.0.0.1", "localhost", "::1"}
    return {
        "base_url": url.rstrip("/"),
        "headers": {"Authorization": f"Bearer {token}"} if token else {},
        "timeout": httpx2.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s)),
        "trust_env": not local,  # a proxy of the environment does not lead to this machine
    }


def _arguments(http: httpx2.Client | httpx2.AsyncClient, request: Request) -> dict[str, Any]:
    body = request.body.headers() if request.body else {}
    timeout = http.timeout
    if request.read_timeout_s is not None:
        timeout = httpx2.Timeout(
            connect=timeout.connect, write=timeout.write, pool=timeout.pool, read=request.read_timeout_s
        )
    headers = {"Accept": request.accept, **_trace(), **request.headers, **body}
    return {
        "method": request.method,
        "url": request.path,
        "params": request.params,
        "headers": headers,
        "timeout": timeout,
    }


def _trace() -> dict[str, str]:
    """What makes a request part of the trace that is under way, as W3C Trace Context has it; only a program that has
    imported OpenTelemetry can have begun one.
    """
    if "opentelemetry.trace" not in sys.modules:
        return {}
    from opentelemetry import propagate

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier


def _answer(response: httpx2.Response, sink: Any) -> Answer:
    return Answer(str(response.url), response.status_code, response.headers, sink)


def _read(response: httpx2.Response) -> Whole:
    if response.status_code not in OK:
        response.read()
    return _kept(response)


def _kept(response: httpx2.Response) -> Whole:
    """The body of an answer that is a problem; that of any other is still to come."""
    kept = Whole()
    if response.status_code not in OK:
        kept.write(response.content)
    return kept


def _lost(http: httpx2.Client | httpx2.AsyncClient, error: Exception) -> Lost:
    kind = "it did not answer in time" if isinstance(error, httpx2.TimeoutException) else str(error)
    return Lost(str(http.base_url), kind or type(error).__name__)
