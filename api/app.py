"""The Starlette app of the web process: its routes, and what lives as long as it does.

Does not start a server: see `__main__`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache, partial

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from api import (
    admin,
    analyze,
    charts,
    chunks,
    events,
    health,
    ids,
    inference,
    inference_metadata,
    jobs,
    machine_charts,
    machines,
    metrics,
    models,
    openapi,
    reports,
    results,
    samples,
    sessions,
    tasks,
)
from api.access_log import AccessLog
from api.admission import STORED_SHARE, Admission
from api.cors import Cors
from api.destinations import Destinations
from api.follow_ups import Follower
from api.headers import Headers
from api.model_lookup import OperatorsFiles
from api.negotiation import choose
from api.outgoing import Outgoing
from api.page import files
from api.problems import HANDLERS
from api.request_quota import RequestQuota
from api.resources import Resources
from api.responses import JsonResponse
from api.routes import JSON, Answer, Operation, Routes, serve
from api.subscription import Subscription
from api.tokens import Tokens
from api.tracing import Tracing
from jobs.blob_location import open_blobs
from jobs.connection import RedisClient, connect, connect_blocking
from jobs.settings import LOOPBACK, InvalidSettings, Settings
from jobs.store import Store
from jobs.version import VERSION

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[dict[str, Resources]]]
NAME = "shap-supervisor"
routes = Routes(None)


class Index(msgspec.Struct, kw_only=True):
    """What this is, and where things are."""

    name: str
    version: str
    links: dict[str, str]


@routes.get(
    "/",
    "getIndex",
    "What this is, and where things are",
    Answer("Links, or the page where the client takes HTML.", content={JSON: Index, files.HTML: str}),
)
async def index(request: Request) -> Response:
    """The page for browsers; for others every route that has a name here."""
    if choose(request.headers.get("accept"), [JSON, files.HTML]) == files.HTML:
        return await files.answer(request, "index.html")
    links = {operation.link: operation.path for operation in OPERATIONS if operation.link}
    return JsonResponse(Index(name=NAME, version=VERSION, links=links), headers={"Vary": "Accept"})


OPERATIONS: list[Operation] = [
    *routes,
    *files.routes,
    *sessions.routes,
    *health.routes,
    *analyze.routes,
    *jobs.routes,
    *chunks.routes,
    *events.routes,
    *results.routes,
    *ids.routes,
    *samples.routes,
    *charts.routes,
    *reports.routes,
    *models.routes,
    *inference.routes,
    *inference_metadata.open_routes,
    *inference_metadata.routes,
    *admin.routes,
    *machines.routes,
    *machine_charts.routes,
    *metrics.routes,
    *openapi.routes,
]


def create_app(settings: Settings, redis: RedisClient | None = None) -> Starlette:
    """The app; `redis` takes the place of the clients that it would make (and close) itself.

    Raises InvalidSettings when it would listen beyond loopback without tokens.
    """
    _check_tokens(settings)
    destinations = _destinations(settings)
    app = Starlette(
        routes=serve(OPERATIONS),
        middleware=[
            Middleware(Tracing),
            Middleware(AccessLog),
            Middleware(Headers),
            Middleware(Cors, origins=settings.cors_origins),
        ],
        exception_handlers=HANDLERS,
        lifespan=_lifespan(settings, destinations, redis),
    )
    app.state.leaving = False  # true from the first signal to stop: see `__main__`
    app.state.machines = None  # made by the first who follows them
    app.state.openapi = cache(partial(openapi.document, OPERATIONS))
    app.router.redirect_slashes = False  # a redirected upload would be sent twice
    return app


def _lifespan(settings: Settings, destinations: Destinations, given: RedisClient | None) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Resources]]:
        redis, subscriber = (given, given) if given else (connect(settings), connect_blocking(settings))
        store = Store(redis, job_ttl_s=settings.job_ttl_s, blobs=open_blobs(settings, redis))
        stored_share = STORED_SHARE if settings.blob_url is None else 0.0
        admission = Admission(redis, silence_s=settings.upload_silence_s, stored_share=stored_share)
        outgoing = Outgoing(destinations)
        try:
            async with Subscription(subscriber, lambda: app.state.leaving) as subscription:
                found = Resources(
                    settings=settings,
                    redis=redis,
                    store=store,
                    subscription=subscription,
                    admission=admission,
                    tokens=Tokens(settings),
                    requests=RequestQuota(redis),
                    outgoing=outgoing,
                    operators=OperatorsFiles(settings, redis),
                )
                async with _following(Follower(store, outgoing, settings.callback_secret), outgoing):
                    yield {"resources": found}
        finally:
            if given is None:
                await redis.aclose()
                await subscriber.aclose()

    return lifespan


@asynccontextmanager
async def _following(follower: Follower, outgoing: Outgoing) -> AsyncIterator[None]:
    """Meanwhile the ends of jobs are told, where any host may be spoken to."""
    task = asyncio.create_task(follower.run()) if outgoing.destinations.any else None
    try:
        yield
    finally:
        if task:
            await tasks.end(task)


def _destinations(settings: Settings) -> Destinations:
    """Raises InvalidSettings."""
    try:
        return Destinations(settings.callback_hosts)
    except ValueError as error:
        raise InvalidSettings([f"CALLBACK_HOSTS: {error}"]) from None


def _check_tokens(settings: Settings) -> None:
    """The settings' own rule once more: whoever makes them by hand must not open the service to everyone."""
    api_is_closed = settings.api_token or settings.api_tokens
    if settings.host not in LOOPBACK and not (api_is_closed and settings.admin_token):
        raise InvalidSettings([f"HOST={settings.host!r}: set API_TOKEN and ADMIN_TOKEN to listen beyond loopback"])
