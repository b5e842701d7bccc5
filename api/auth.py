"""The door of each route: whose token a request carries, and whether it is that caller's turn. Used in the web process.

Health is always open. A browser has a session in a cookie instead of a token: with it, only our own page may change
anything. Behind the door everything is done for a caller: see `jobs.callers`, and `resources` for how a
handler gets no other's. Does not compare tokens: see `tokens`.
"""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api import origins, parameters
from api.resources import CALLER, resources
from api.tokens import Realm

__all__ = ["SESSION_COOKIE", "Guard", "Realm"]
SESSION_COOKIE = "shap-session"


class Guard:
    """ASGI middleware of one route: lets a request pass that carries one of the realm's tokens."""

    def __init__(self, app: ASGIApp, realm: Realm) -> None:
        self._app = app
        self._realm = realm

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        house = resources(request)
        authorization, session = request.headers.get("authorization"), request.cookies.get(SESSION_COOKIE)
        caller = house.tokens.caller(self._realm, authorization, session)
        if session is not None and authorization is None and request.method not in origins.SAFE_METHODS:
            origins.check_own_page(request)
        await house.requests.take(caller)
        scope[CALLER] = parameters.on_behalf(request, caller)
        await self._app(scope, receive, send)
