"""The Starlette app of the web process: its routes, and what lives as long as it does.

Does not start a server: see `__main__`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import admin, events, health, jobs, metrics, models, openapi, results
from api.access_log import AccessLog
from api.admission import STORED_SHARE, Admission
from api.analyze import analyze
from api.auth import Guard, Realm
from api.problems import HANDLERS
from api.resources import Resources
from api.responses import JsonResponse
from api.subscription import Subscription
from jobs.blob_location import open_blobs
from jobs.connection import RedisClient, connect, connect_blocking
from jobs.settings import LOOPBACK, InvalidSettings, Settings
from jobs.store import Store
from jobs.version import VERSION

Endpoint = Callable[[Request], Awaitable[Response]]
Lifespan = Callable[[Starlette], AbstractAsyncContextManager[dict[str, Resources]]]
NAME = "shap-supervisor"
LINKS = {
    "submit": "/analyze",
    "jobs": "/jobs",
    "job": "/jobs/{job_id}",
    "events": "/jobs/{job_id}/events",
    "result": "/jobs/{job_id}/result",
    "summary": "/jobs/{job_id}/summary",
    "models": "/models",
    "health": "/health",
    "memory": "/admin/memory",
    "queue": "/admin/queue",
    "metrics": "/metrics",
    "openapi": "/openapi.json",
}


def create_app(settings: Settings, redis: RedisClient | None = None) -> Starlette:
    """The app; `redis` takes the place of the clients that it would make (and close) itself.

    Raises InvalidSettings when it would listen beyond loopback without tokens.
    """
    _check_tokens(settings)
    app = Starlette(
        routes=_routes(),
        middleware=[Middleware(AccessLog)],
        exception_handlers=HANDLERS,
        lifespan=_lifespan(settings, redis),
    )
    app.state.leaving = False  # true from the first signal to stop: see `__main__`
    app.router.redirect_slashes = False  # a redirected upload would be sent twice
    return app


def _routes() -> list[Route]:
    return [
        _open("/", index),
        _open("/livez", health.livez),
        _open("/readyz", health.readyz),
        _open("/health", health.health),
        _guarded("/analyze", analyze, "POST", Realm.API),
        _guarded("/jobs", jobs.listing, "GET", Realm.API),
        _guarded("/jobs/{job_id}", _by_method(GET=jobs.status, DELETE=jobs.cancel), "GET DELETE", Realm.API),
        _guarded("/jobs/{job_id}/events", events.events, "GET", Realm.API),
        _guarded(
            "/jobs/{job_id}/result", _by_method(GET=results.result, DELETE=results.forget), "GET DELETE", Realm.API
        ),
        _guarded("/jobs/{job_id}/summary", results.summary, "GET", Realm.API),
        _guarded("/models", models.listing, "GET", Realm.API),
        _guarded(
            "/models/{name}",
            _by_method(GET=models.one, PUT=models.put, DELETE=models.delete),
            "GET PUT DELETE",
            Realm.API,
        ),
        _guarded("/job_status/{job_id}", jobs.polled_status, "GET", Realm.API),
        _guarded("/admin/memory", admin.memory, "GET", Realm.ADMIN),
        _guarded("/admin/queue", admin.queue, "GET", Realm.ADMIN),
        _guarded("/metrics", metrics.metrics, "GET", Realm.ADMIN),
        _open("/openapi.json", openapi.openapi),
    ]


def _open(path: str, endpoint: Endpoint) -> Route:
    return Route(path, endpoint, methods=["GET"])


def _guarded(path: str, endpoint: Endpoint, methods: str, realm: Realm) -> Route:
    return Route(path, endpoint, methods=methods.split(), middleware=[Middleware(Guard, realm=realm)])


def _by_method(**endpoints: Endpoint) -> Endpoint:
    """One route for several methods, so that a 405 names them all."""

    async def endpoint(request: Request) -> Response:
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return endpoint


async def index(_: Request) -> Response:
    """GET /: what this is, and where things are."""
    return JsonResponse({"name": NAME, "version": VERSION, "links": LINKS})


def _lifespan(settings: Settings, given: RedisClient | None) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Resources]]:
        redis, subscriber = (given, given) if given else (connect(settings), connect_blocking(settings))
        store = Store(redis, job_ttl_s=settings.job_ttl_s, blobs=open_blobs(settings, redis))
        stored_share = STORED_SHARE if settings.blob_url is None else 0.0
        admission = Admission(redis, silence_s=settings.upload_silence_s, stored_share=stored_share)
        try:
            async with Subscription(subscriber, lambda: app.state.leaving) as subscription:
                found = Resources(
                    settings=settings, redis=redis, store=store, subscription=subscription, admission=admission
                )
                yield {"resources": found}
        finally:
            if given is None:
                await redis.aclose()
                await subscriber.aclose()

    return lifespan


def _check_tokens(settings: Settings) -> None:
    """The settings' own rule once more: whoever makes them by hand must not open the service to everyone."""
    if settings.host not in LOOPBACK and not (settings.api_token and settings.admin_token):
        raise InvalidSettings([f"HOST={settings.host!r}: set API_TOKEN and ADMIN_TOKEN to listen beyond loopback"])
