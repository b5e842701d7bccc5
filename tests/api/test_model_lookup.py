"""Which names are the operator's: known from heartbeats, and not asked for at each request."""

import time

import pytest
from redis.asyncio import Redis

from api.model_lookup import KEPT_S, OperatorsFiles, resolve
from jobs.errors import UnknownModel
from jobs.heartbeats import Heartbeats
from jobs.settings import Settings
from jobs.store import Store

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Clock:
    def __init__(self) -> None:
        self.now = time.monotonic()

    def __call__(self) -> float:
        return self.now


async def test_what_supervisors_say_is_kept_for_a_moment(valkey_url: str) -> None:
    redis, clock = Redis.from_url(valkey_url), Clock()
    files = OperatorsFiles(Settings(), redis, clock=clock)
    assert await files.names() is None, "no supervisor yet: that is not kept"
    beats = Heartbeats(redis, "sup")
    await beats.beat({"trusted_models": ["a.json"]}, ttl_s=60)
    assert await files.names() == {"a.json"}
    await beats.beat({"trusted_models": ["b.json"]}, ttl_s=60)
    clock.now += KEPT_S * 0.9
    assert await files.names() == {"a.json"}
    assert await files.names(anew=True) == {"b.json"}
    await beats.beat({"trusted_models": ["c.json"]}, ttl_s=60)
    clock.now += KEPT_S
    assert await files.names() == {"c.json"}
    await redis.aclose()


async def test_no_name_is_refused_before_it_was_asked_for_once_more(valkey_url: str) -> None:
    redis = Redis.from_url(valkey_url)
    store, files, beats = Store(redis, job_ttl_s=60), OperatorsFiles(Settings(), redis), Heartbeats(redis, "sup")
    await beats.beat({"trusted_models": ["a.json"]}, ttl_s=60)
    with pytest.raises(UnknownModel):
        await resolve(b"b.json", files, store)
    await beats.beat({"trusted_models": ["b.json"]}, ttl_s=60)
    assert (await resolve(b"b.json", files, store)).trusted_name == "b.json"
    await redis.aclose()
