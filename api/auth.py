"""Bearer tokens of the web process: which routes need one, and whether it is the right one.

API_TOKEN opens jobs, ADMIN_TOKEN opens everything; a token that is not set guards nothing (the settings allow that on
loopback only). Health is always open.
"""

import hmac
from enum import StrEnum

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.resources import resources
from jobs.errors import Forbidden, Unauthorized
from jobs.settings import Settings


class Realm(StrEnum):
    """What a route belongs to."""

    API = "API_TOKEN"
    ADMIN = "ADMIN_TOKEN"


class Guard:
    """ASGI middleware of one route: lets a request pass that carries the realm's token."""

    def __init__(self, app: ASGIApp, realm: Realm) -> None:
        self._app = app
        self._realm = realm

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        check(resources(request).settings, self._realm, request.headers.get("authorization"))
        await self._app(scope, receive, send)


def check(settings: Settings, realm: Realm, authorization: str | None) -> None:
    """Raises Unauthorized without a bearer token, Forbidden with a wrong one."""
    own = settings.api_token if realm is Realm.API else settings.admin_token
    if own is None:
        return
    sent = _bearer(authorization)
    if sent is None:
        raise Unauthorized(token=realm.value)
    accepted = [own, settings.admin_token] if settings.admin_token else [own]
    # Every accepted token is compared, in constant time, so that timing tells nothing.
    matches = [hmac.compare_digest(sent, token.encode()) for token in accepted]
    if not any(matches):
        raise Forbidden(token=realm.value)


def _bearer(authorization: str | None) -> bytes | None:
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    # Starlette decodes headers as Latin-1: this gives the bytes that were sent.
    return token.encode("latin-1") if scheme.lower() == "bearer" and token else None
