"""Routes beside their handlers, each with what it takes and answers. Pure; used in the web process.

    routes = Routes(Realm.API)

    @routes.get("/jobs/{job_id}", "getJob", "How far a job is", Answer("The job.", JobStatus))
    async def status(request: Request) -> Response: ...

`app` serves them, `openapi` writes them down. Does not check that a handler answers what it says: tests do.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Annotated, Any, NamedTuple

import msgspec
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from api.auth import Guard, Realm
from api.origins import Site
from api.parameters import Parameter

Endpoint = Callable[[Request], Awaitable[Response]]
JSON = "application/json"
BINARY = Annotated[str, msgspec.Meta(extra_json_schema={"format": "binary"})]
"""The type of bytes."""


class Answer(NamedTuple):
    """What one status means: a type that msgspec knows, as JSON, or `content`: several by media type."""

    description: str
    type: Any = None
    status: int | str = 200
    content: Mapping[str, Any] = {}
    headers: tuple[str, ...] = ()

    @property
    def by_media_type(self) -> Mapping[str, Any]:
        return self.content or ({} if self.type is None else {JSON: self.type})


class Operation(NamedTuple):
    """One method of one path."""

    method: str
    path: str
    id: str
    summary: str
    answers: tuple[Answer, ...]
    parameters: tuple[Parameter, ...]
    """Those in the path need no row."""
    body: Mapping[str, Any]
    """The type of a request's body, by media type."""
    realm: Realm | None
    link: str | None
    """Its name in the index."""
    endpoint: Endpoint


class Routes:
    """The operations of one module; `realm` is the token that opens them."""

    def __init__(self, realm: Realm | None) -> None:
        self._realm = realm
        self._operations: list[Operation] = []

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._operations)

    def get(self, *row: Any, **more: Any) -> Callable[[Endpoint], Endpoint]:
        return self._row("GET", *row, **more)

    def put(self, *row: Any, **more: Any) -> Callable[[Endpoint], Endpoint]:
        return self._row("PUT", *row, **more)

    def post(self, *row: Any, **more: Any) -> Callable[[Endpoint], Endpoint]:
        return self._row("POST", *row, **more)

    def delete(self, *row: Any, **more: Any) -> Callable[[Endpoint], Endpoint]:
        return self._row("DELETE", *row, **more)

    def _row(
        self,
        method: str,
        path: str,
        id: str,
        summary: str,
        *answers: Answer,
        parameters: Iterable[Parameter] = (),
        body: Mapping[str, Any] | None = None,
        link: str | None = None,
    ) -> Callable[[Endpoint], Endpoint]:
        def add(endpoint: Endpoint) -> Endpoint:
            row = (method, path, id, summary, answers, tuple(parameters), body or {}, self._realm, link, endpoint)
            self._operations.append(Operation(*row))
            return endpoint

        return add


def serve(operations: Iterable[Operation]) -> list[Route]:
    """A route for each path: one for several methods, so that a 405 names them all."""
    by_path = sorted(operations, key=lambda operation: operation.path)
    return [_route(path, list(group)) for path, group in groupby(by_path, key=lambda operation: operation.path)]


def _route(path: str, operations: list[Operation]) -> Route:
    endpoints = {operation.method: operation.endpoint for operation in operations}

    async def endpoint(request: Request) -> Response:
        if request.method != "HEAD":
            return await endpoints[request.method](request)
        response = await endpoints["GET"](request)
        if isinstance(response, StreamingResponse):  # what GET would stream, perhaps for hours, is not even begun
            response.body_iterator = _nothing()
        return response

    realm = operations[0].realm
    middleware = [Middleware(Site, realm=realm), *([Middleware(Guard, realm=realm)] if realm else [])]
    return Route(path, endpoint, methods=list(endpoints), middleware=middleware)


async def _nothing() -> AsyncIterator[bytes]:
    for piece in list[bytes]():
        yield piece
