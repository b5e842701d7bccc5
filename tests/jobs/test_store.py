"""What callers do with jobs, on a real Valkey."""

import asyncio
import time

import pytest

from jobs import errors, keys
from jobs.states import JobState
from tests.jobs.conftest import Bench
from tests.jobs.steps import finish, lease, opened, places, span

pytestmark = pytest.mark.anyio


async def test_cancel_ends_everything_and_a_second_one_changes_nothing(bench: Bench) -> None:
    job_id = await bench.submit()
    await opened(bench, job_id, span(0, 4), span(5, 9))
    held = await lease(bench, job_id)
    assert await bench.store.cancel(job_id) is JobState.CANCELLED
    assert not await bench.queue.renew(held)
    assert set(map(tuple, (await places(bench, job_id)).values())) == {()}
    assert await bench.store.cancel(job_id) is JobState.CANCELLED
    with pytest.raises(errors.UnknownJob):
        await bench.store.cancel("none")


async def test_the_end_of_a_job_is_announced(bench: Bench) -> None:
    async with bench.redis.pubsub() as listener:
        await listener.subscribe("shap:ended")
        job_id = await bench.submit()
        await bench.store.cancel(job_id)
        async with asyncio.timeout(5):
            async for message in listener.listen():
                if message["type"] == "message":
                    assert message["data"].decode() == job_id
                    return


async def test_an_idempotency_key_gives_the_first_job_and_drops_the_second_upload(bench: Bench) -> None:
    first = await bench.submit(b"rows", key="k")
    assert await bench.submit(b"rows", key="k") == first
    assert len(await bench.redis.keys("shap:blob:*")) == 1
    with pytest.raises(errors.IdempotencyMismatch):
        await bench.submit(b"other rows", key="k")
    with pytest.raises(errors.IdempotencyMismatch):
        await bench.submit(b"rows", key="k", interactions=True)
    assert await bench.submit(b"rows", key="another") != first


async def test_a_job_over_an_upload_that_expired_is_not_accepted(bench: Bench) -> None:
    blob = await bench.upload(b"rows")
    await bench.redis.delete(f"shap:blob:{blob.id}")
    from jobs.options import Options
    from jobs.records import Input

    with pytest.raises(errors.StorageUnavailable):
        await bench.store.submit({"data": Input(blob=blob)}, Options())
    assert not await bench.redis.keys("shap:job:*")


async def test_jobs_are_listed_newest_first_and_expired_ones_forgotten(bench: Bench) -> None:
    ids = [await bench.submit() for _ in range(3)]
    assert [job.job_id for job in (await bench.store.jobs()).jobs] == ids[::-1]
    assert [job.job_id for job in (await bench.store.jobs(offset=1, limit=1)).jobs] == [ids[1]]
    await bench.redis.delete(f"shap:job:{ids[1]}")
    assert [job.job_id for job in (await bench.store.jobs()).jobs] == [ids[2], ids[0]]
    assert await bench.redis.zcard("shap:jobs") == 2
    with pytest.raises(errors.UnknownJob):
        await bench.store.job(ids[1])


async def test_a_record_outlives_its_result_to_say_that_it_has_expired(bench: Bench) -> None:
    job_id = await bench.submit()
    held = await opened(bench, job_id, span(0, 4))
    assert await finish(bench, held, b"aaaaaaaa", {"top": 1})
    for part in (keys.results, keys.values, keys.chunks, keys.attempts):
        assert 50 < await bench.redis.ttl(part(job_id)) <= 60
    assert 110 < await bench.redis.ttl(keys.job(job_id)) <= 120


async def test_a_job_leaves_the_list_after_thirty_days(bench: Bench) -> None:
    month_ago = time.time() - 30 * 24 * 3600
    await bench.redis.zadd(keys.JOBS, {"older": month_ago - 5, "younger": month_ago + 60})
    job_id = await bench.submit()
    assert await bench.redis.zrange(keys.JOBS, 0, -1) == [b"younger", job_id.encode()]
