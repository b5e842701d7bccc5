"""What lives as long as the web process: settings, the store, the subscription to ended jobs, the door for bodies.

Does not make them: see `app`.
"""

from dataclasses import dataclass

from starlette.requests import Request

from api.admission import Admission
from api.subscription import Subscription
from jobs.connection import RedisClient
from jobs.settings import Settings
from jobs.store import Store


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Made when the process starts, closed when it ends."""

    settings: Settings
    redis: RedisClient
    store: Store
    subscription: Subscription
    admission: Admission


def resources(request: Request) -> Resources:
    found: Resources = request.scope["state"]["resources"]
    return found
