"""Every error of the web process as an RFC 9457 problem: never a traceback, never a 500 for bad input.

A problem is `application/problem+json` with

    type     urn:shap-supervisor:problem:<code>, stable
    title    the code in words, the same for every occurrence
    status   the HTTP status again
    code     for programs: see `jobs.errors`
    detail   for people: what is wrong with this request, and the way out
    data     the values in `detail`, by name; left out when there are none

Does not cover why a job failed: that is in the job's own `error`, and a problem where it was waited for (`failed`).
"""

from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from api.responses import JsonResponse
from api.routes import Answer
from jobs import errors
from jobs.connection import RedisError, Trouble, trouble

TYPE = "urn:shap-supervisor:problem:"
AWAY_RETRY_S, FULL_RETRY_S = 2, 10
NOSNIFF = {"X-Content-Type-Options": "nosniff"}
_RETRY_AFTER: dict[type[errors.Problem], int] = {
    errors.StorageUnavailable: AWAY_RETRY_S,
    errors.StorageFull: FULL_RETRY_S,
    errors.Busy: 5,
    errors.TooManyJobs: 5,
    errors.TooManyBytes: 60,
    errors.TooManyConnections: 5,
    errors.TooManyDrawings: 5,
    errors.TooManyColumnar: 5,
    errors.NotReady: 1,
}
_OF_STORE: dict[Trouble, type[errors.Problem]] = {
    Trouble.AWAY: errors.StorageUnavailable,
    Trouble.FULL: errors.StorageFull,
    Trouble.DENIED: errors.StorageDenied,
}
log = structlog.get_logger()


class ProblemDetails(msgspec.Struct, kw_only=True):
    """What is wrong with a request, and the way out (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    data: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class ProblemResponse(JsonResponse):
    media_type = "application/problem+json"


Details = TypeVar("Details", bound=ProblemDetails)
PROBLEM = Answer(
    "What is wrong, and the way out.", status="default", content={ProblemResponse.media_type: ProblemDetails}
)
"""Every route may answer it."""


def document(problem: errors.Problem, kind: type[Details], **more: Any) -> Details:
    """A problem as `kind`, whose further members are in `more`."""
    return stated(kind, problem.code, problem.status, problem.message, problem.detail, **more)


def stated(kind: type[Details], code: str, status: int, message: str, data: dict[str, Any], **more: Any) -> Details:
    """The same of what is no exception here."""
    return kind(
        type=f"{TYPE}{code}",
        title=code.replace("_", " ").capitalize(),
        status=status,
        code=code,
        detail=message,
        data=data or msgspec.UNSET,
        **more,
    )


def respond(problem: errors.Problem, *, details: ProblemDetails | None = None) -> Response:
    """The answer to a problem; `details` have more members, for clients that know no problems."""
    return ProblemResponse(details or document(problem, ProblemDetails), problem.status, _headers(problem))


def _headers(problem: errors.Problem) -> dict[str, str]:
    headers = dict(NOSNIFF)
    if isinstance(problem, errors.Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(problem, errors.TooSlow):
        headers["Connection"] = "close"  # or the server would go on waiting for the rest of the body
    if "retry_after_s" in problem.detail:
        headers["Retry-After"] = str(problem.detail["retry_after_s"])
    if type(problem) in _RETRY_AFTER:
        headers["Retry-After"] = str(_RETRY_AFTER[type(problem)])
    return headers


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, errors.Problem)
    return respond(error)


async def _store(request: Request, error: Exception) -> Response:
    """What an error of Redis means for who has asked; one that we do not know is ours to mend."""
    assert isinstance(error, RedisError)
    problem = _OF_STORE.get(trouble(error))
    if problem is None:
        raise error
    write = log.error if problem is errors.StorageDenied else log.warning
    write(problem.code, path=request.url.path, error=str(error))
    return respond(problem())


async def _http(request: Request, error: Exception) -> Response:
    """Starlette's own: unknown routes and methods."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return respond(errors.NotFound(path=request.url.path))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "")
        response = respond(errors.MethodNotAllowed(method=request.method, allowed=allowed))
        response.headers["Allow"] = allowed
        return response
    status = HTTPStatus(error.status_code)
    details = ProblemDetails(
        type="about:blank", title=status.phrase, status=status, code=status.name.lower(), detail=error.detail
    )
    return ProblemResponse(details, status, error.headers)


async def _disconnected(_: Request, __: Exception) -> Response:
    """Nobody reads this; it only ends the request in order."""
    return respond(errors.MalformedRequest(reason="the connection was closed before its end"))


async def _unexpected(_: Request, __: Exception) -> Response:
    """Ours to mend: the server logs it with its traceback, the body says nothing of it."""
    return respond(errors.Problem())


HANDLERS: dict[Any, ExceptionHandler] = {
    errors.Problem: _problem,
    HTTPException: _http,
    ClientDisconnect: _disconnected,
    RedisError: _store,
    Exception: _unexpected,
}
