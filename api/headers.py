"""What every request must carry and every answer carries: one Host, and that no browser guesses at content types.

ASGI middleware of the web process, around all routes. Which Host may be named is for `origins` to say.
"""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import NOSNIFF, respond
from jobs.errors import MalformedRequest


class Headers:
    """Refuses a request with several Hosts, or one of HTTP/1.1 with none (RFC 9112, 3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in NOSNIFF.items():
                    headers.setdefault(name, value)
            await send(message)

        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) == 1 or (not hosts and scope.get("http_version") == "1.0"):
            await self._app(scope, receive, complete)
        else:
            problem = MalformedRequest(reason=f"it has {len(hosts)} Host headers, where one is needed")
            await respond(problem)(scope, receive, complete)
