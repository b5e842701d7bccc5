"""A span for every request, where traces are sent: ASGI middleware around all routes. See `jobs.traces`.

As OpenTelemetry's conventions for HTTP have it, but for queries, addresses and headers: these may hold secrets, and
Starlette's own middleware sends them.
"""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access_log import PROBES
from jobs import traces

FAILED = 500
"""From here on a status is the server's failure; a caller's is none of its span's."""


class Tracing:
    """Health probes are left out; a request that names a trace becomes part of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES or not traces.on():
            await self._app(scope, receive, send)
            return

        async def note_answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                _note_answer(scope, message["status"])
            await send(message)

        method, parent = scope["method"], Headers(scope=scope).get("traceparent")
        attributes = {"http.request.method": method, "url.scheme": scope["scheme"], "url.path": scope["path"]}
        with traces.span(method, "server", parent, attributes):
            await self._app(scope, receive, note_answer)


def _note_answer(scope: Scope, status: int) -> None:
    """The route is known by now: a span is named after it, not after the path, of which there are as many as jobs."""
    route = getattr(scope.get("route"), "path", None)
    failed = status >= FAILED
    known = {
        "http.response.status_code": status,
        "http.route": route,
        "error.type": str(status) if failed else None,
    }
    traces.note(known, name=f"{scope['method']} {route}" if route else None, failure="" if failed else None)
