"""POST, GET and DELETE /session: a token becomes a cookie, so that a browser can follow events. The web process.

The cookie holds a session (see `tokens`) and not the token; no script can read it, no other site's page sends it, and
behind TLS it travels only there. Signing out makes this browser forget it. Does not check sessions: see `auth`.
"""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api import origins
from api.auth import SESSION_COOKIE, Realm
from api.resources import Resources, resources
from api.responses import JsonResponse
from api.routes import JSON, Answer, Routes
from api.tokens import SESSION_S
from jobs.callers import Caller
from jobs.errors import Forbidden, MalformedJson, TooLarge, Unauthorized

MOST_BYTES = 4096
routes = Routes(None)


class SignIn(msgspec.Struct, kw_only=True):
    """One of the service's tokens."""

    token: str


class Session(msgspec.Struct, kw_only=True):
    """What this browser may do. `caller` is null for whoever is not signed in, and empty for the unnamed one."""

    needs_token: bool
    """Jobs ask for a token."""
    jobs: bool
    """It may see and submit jobs, its own or all."""
    admin: bool
    """It may see all, and the machines."""
    caller: str | None


@routes.get("/session", "getSession", "What this browser may do", Answer("As its cookie says.", Session))
async def show(request: Request) -> Response:
    """Never a problem: who is not signed in is told so."""
    return _document(resources(request), request.cookies.get(SESSION_COOKIE))


@routes.post(
    "/session",
    "signIn",
    "Sign in: a token becomes a cookie",
    Answer("Signed in; nothing was set where no token is needed.", Session),
    body={JSON: SignIn},
)
async def sign_in(request: Request) -> Response:
    """Raises Forbidden, ForeignOrigin, MalformedJson, TooLarge."""
    origins.check_own_page(request)
    house, token = resources(request), await _token(request)
    if not any(house.tokens.guard(realm) for realm in Realm):
        return _document(house, None)
    session = house.tokens.open_session(token)
    response = _document(house, session)
    response.set_cookie(
        SESSION_COOKIE, session, max_age=SESSION_S, httponly=True, samesite="strict", secure=_is_secure(request)
    )
    return response


@routes.delete("/session", "signOut", "Sign out: this browser forgets", Answer("Forgotten.", status=204))
async def sign_out(request: Request) -> Response:
    """Raises ForeignOrigin."""
    origins.check_own_page(request)
    response = Response(status_code=204)
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict", secure=_is_secure(request))
    return response


async def _token(request: Request) -> str:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise TooLarge(field="The request body", limit_bytes=MOST_BYTES, way_out="Send the token alone.")
    try:
        return msgspec.json.decode(body, type=SignIn).token
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise MalformedJson(field="The request body", reason=str(error)) from None


def _document(house: Resources, session: str | None) -> Response:
    jobs, admin = (_caller(house, realm, session) for realm in (Realm.API, Realm.ADMIN))
    caller = (jobs or admin) if session or not house.tokens.guard(Realm.API) else None
    found = Session(
        needs_token=house.tokens.guard(Realm.API),
        jobs=jobs is not None,
        admin=admin is not None,
        caller=caller.name if caller else None,
    )
    return JsonResponse(found, headers={"Cache-Control": "no-store"})


def _caller(house: Resources, realm: Realm, session: str | None) -> Caller | None:
    try:
        return house.tokens.caller(realm, None, session)
    except (Unauthorized, Forbidden):
        return None


def _is_secure(request: Request) -> bool:
    """Whether the browser speaks TLS, with us or with the proxy before us."""
    return "https" in {request.url.scheme, request.headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()}
