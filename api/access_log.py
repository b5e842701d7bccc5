"""One structured line for every request that the web process answers. Health probes are logged at DEBUG only.

Does not log bodies, queries or headers: they may hold secrets.
"""

import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.resources import CALLER, logged
from jobs.callers import UNNAMED

PROBES = frozenset({"/livez", "/readyz", "/health"})
log = structlog.get_logger()


class AccessLog:
    """ASGI middleware around all routes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500  # of a request that ends with an exception before it has an answer

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        start = time.perf_counter()
        try:
            await self._app(scope, receive, note_status)
        finally:
            _write(scope, status, time.perf_counter() - start)


def _write(scope: Scope, status: int, seconds: float) -> None:
    write = log.debug if scope["path"] in PROBES else log.info
    caller = logged(scope.get(CALLER, UNNAMED))
    write("request", method=scope["method"], path=scope["path"], status=status, seconds=round(seconds, 4), **caller)
