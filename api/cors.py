"""Answers to browsers that ask whether a page of another origin may call (preflights), and what it may read.

ASGI middleware of the web process, around all routes. What a page may do without asking is for `origins` to say.
"""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from api.origins import SHOWN_CHARS
from api.problems import respond
from jobs.errors import ForeignOrigin

EXPOSED = ("Location", "Retry-After", "Content-Disposition", "Preference-Applied", "WWW-Authenticate")


class Cors(CORSMiddleware):
    """Answers preflights, and lets pages of these origins read answers. No origin, nobody."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=["*"],
            allow_headers=["*"],
            allow_private_network=True,
            expose_headers=EXPOSED,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        if self.is_allowed_origin(request_headers["origin"]):
            return super().preflight_response(request_headers)
        response = respond(ForeignOrigin(origin=request_headers["origin"][:SHOWN_CHARS]))
        response.headers["Vary"] = self.preflight_headers["Vary"]
        return response
