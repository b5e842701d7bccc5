"""What lives as long as the web process: settings, the store, the subscription to ended jobs, the doors.

Does not make them: see `app`.
"""

import asyncio
from dataclasses import dataclass, field, replace

from starlette.requests import Request

from api.admission import Admission
from api.columnar import Columnar
from api.drawing import Drawing
from api.model_lookup import OperatorsFiles
from api.outgoing import Outgoing
from api.request_quota import RequestQuota
from api.subscription import Subscription
from api.tokens import Tokens
from jobs.callers import OPERATOR, UNNAMED, Caller
from jobs.connection import RedisClient
from jobs.settings import Settings
from jobs.store import Store

CALLER = "caller"
"""Where a request's scope has who sent it."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Made when the process starts, closed when it ends."""

    settings: Settings
    redis: RedisClient
    store: Store
    subscription: Subscription
    admission: Admission
    tokens: Tokens
    requests: RequestQuota
    outgoing: Outgoing
    operators: OperatorsFiles
    drawing: Drawing = field(default_factory=Drawing)
    columnar: Columnar = field(default_factory=Columnar)
    one_sample: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a job's sample is in memory."""


def logged(caller: Caller) -> dict[str, str]:
    """What a log line says of a caller: nothing of one without a name."""
    return {"caller": caller.name} if caller.name else {}


def resources(request: Request) -> Resources:
    """With the store as the request's caller sees it; where nobody was asked for a token, as the unnamed one does."""
    found: Resources = request.scope["state"]["resources"]
    caller: Caller = request.scope.get(CALLER, UNNAMED)
    return found if caller is OPERATOR else replace(found, store=found.store.of(caller))
