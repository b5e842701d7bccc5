"""A job whose record cannot be read, on a supervisor at work: it ends, and others go on."""

import pytest

from jobs import keys
from jobs.records import JobState
from tests.supervisor.conftest import Service

pytestmark = pytest.mark.anyio


async def test_a_job_that_cannot_be_read_ends_and_others_go_on(service: Service) -> None:
    bad, good = await service.submit({"rows": 4}, {}), await service.submit({"rows": 4}, {})
    await service.redis.hset(keys.job(bad), "options", "{")
    async with service.supervisor():
        assert (await service.ended(good)).state is JobState.FINISHED

        async def ended() -> bool:
            return await service.redis.hget(keys.job(bad), "state") == b"failed"

        await service.until(ended)
    assert b"unreadable_record" in await service.redis.hget(keys.job(bad), "error")
