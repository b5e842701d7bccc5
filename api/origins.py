"""Which web pages may speak to this service: a browser carries any page's requests, also to its own machine.

A service that listens on loopback and asks for no token is open to whoever is on that machine, so it answers to names
of that machine alone (a stranger's name may be pointed at it: DNS rebinding), and a page from elsewhere may change
nothing. ALLOWED_HOSTS and CORS_ORIGINS name exceptions. Used in the web process. Does not check tokens (see `auth`) nor
answer preflights (see `cors`).
"""

import ipaddress
import re

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.resources import resources
from api.tokens import Realm
from jobs.errors import ForeignHost, ForeignOrigin
from jobs.settings import LOOPBACK, Settings

SAFE_METHODS = frozenset({"GET", "HEAD"})
SHOWN_CHARS = 100
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:@/?#\[\]\\\s]+)(?::(\d{0,5}))?", re.IGNORECASE | re.ASCII)
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class Site:
    """ASGI middleware of one route: lets a request pass that is addressed to us, and not sent by a stranger's page."""

    def __init__(self, app: ASGIApp, realm: Realm | None) -> None:
        self._app = app
        self._realm = realm

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        house, settings = resources(request), resources(request).settings
        is_open = settings.host in LOOPBACK and not house.tokens.guard(self._realm or Realm.API)
        if is_open or settings.allowed_hosts:
            check_host(request, settings)
        if is_open and request.method not in SAFE_METHODS:
            check_origin(request, settings)
        await self._app(scope, receive, send)


def check_host(request: Request, settings: Settings) -> None:
    """Raises ForeignHost for a name that is not this machine's own, nor where the connection came in, nor allowed."""
    host = request.headers.get("host")
    if host is not None and not _is_ours(_parts(host)[0], request, settings):
        raise ForeignHost(host=host[:SHOWN_CHARS])


def check_origin(request: Request, settings: Settings) -> None:
    """Raises ForeignOrigin for what a page has sent that is neither ours nor in CORS_ORIGINS."""
    origin = request.headers.get("origin")
    if origin is not None and {origin, "*"} & set(settings.cors_origins):
        return
    if request.headers.get("sec-fetch-site", "").lower() == "cross-site":
        raise ForeignOrigin(origin=(origin or "another site")[:SHOWN_CHARS])
    if origin is not None and not _is_own_origin(origin, request, settings):
        raise ForeignOrigin(origin=origin[:SHOWN_CHARS])


def check_own_page(request: Request) -> None:
    """Raises ForeignOrigin for what a page has sent that neither came from this very address nor is in CORS_ORIGINS by
    name: for what a cookie vouches for. What no browser has sent has no cookie that its sender did not put there.
    """
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "").lower()
    is_ours = origin is None or origin.partition("://")[2] == request.headers.get("host")
    if origin in resources(request).settings.cors_origins:
        return
    if site not in {"same-origin", "none"} and (site or not is_ours):
        raise ForeignOrigin(origin=(origin or "another site")[:SHOWN_CHARS])


def _is_own_origin(origin: str, request: Request, settings: Settings) -> bool:
    """A page that this service has sent: its names, and its port."""
    scheme, _, netloc = origin.partition("://")
    name, port = _parts(netloc)
    _, own_port = _parts(request.headers.get("host", ""))
    default = _DEFAULT_PORTS.get(scheme, "")
    return _is_ours(name, request, settings) and (port or default) == (own_port or default)


def _is_ours(name: str, request: Request, settings: Settings) -> bool:
    return name in LOOPBACK or name in settings.allowed_hosts or name == _server(request) or _is_loopback(name)


def _server(request: Request) -> str:
    """The address at which the connection came in."""
    server = request.scope.get("server")
    return str(server[0]) if server else ""


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _parts(netloc: str) -> tuple[str, str]:
    """Name and port; empty where there is none, or it cannot be read."""
    found = _HOST.fullmatch(netloc)
    return (found[1].strip("[]").lower().removesuffix("."), found[2] or "") if found else ("", "")
