"""Models with a name: their bytes stay as long as the name or a job needs them, and not longer."""

import time

import msgspec
import pytest

from jobs import errors, keys
from jobs.formats import ModelFormat
from jobs.options import Options
from jobs.records import Blob, Input
from jobs.registered import RegisteredModel
from tests.jobs.conftest import Bench
from tests.jobs.steps import MODEL, opened, span

pytestmark = pytest.mark.anyio


async def register(bench: Bench, name: str, content: bytes) -> tuple[RegisteredModel, bool]:
    return await bench.store.models.put(name, await bench.upload(content), ModelFormat.SKOPS)


async def job_over(bench: Bench, model: RegisteredModel) -> str:
    inputs = {"data": Input(blob=await bench.upload(b"rows")), "model": Input(blob=model.blob, registered=model.name)}
    return await bench.store.submit(inputs, Options())


async def is_there(bench: Bench, blob: Blob) -> bool:
    return bool(await bench.redis.exists(keys.blob(blob.id)))


async def test_a_name_is_for_good(bench: Bench) -> None:
    model, is_new = await register(bench, "churn", b"a")
    assert is_new
    assert await bench.redis.ttl(keys.blob(model.blob.id)) == -1
    assert await bench.store.models.get("churn") == model
    assert model.format is ModelFormat.SKOPS
    assert abs(model.created_at - time.time()) < 60
    assert await bench.store.models.get("other") is None


async def test_they_are_listed_by_name(bench: Bench) -> None:
    for name in ("b", "c", "a"):
        await register(bench, name, b"x")
    assert [model.name for model in await bench.store.models.all()] == ["a", "b", "c"]


async def test_what_had_the_name_before_goes_at_once_when_nobody_uses_it(bench: Bench) -> None:
    before, _ = await register(bench, "churn", b"a")
    after, is_new = await register(bench, "churn", b"b")
    assert not is_new
    assert not await is_there(bench, before.blob)
    assert await is_there(bench, after.blob)


async def test_what_a_job_uses_goes_with_the_last_of_them(bench: Bench) -> None:
    before, _ = await register(bench, "churn", b"a")
    jobs = [await job_over(bench, before) for _ in range(2)]
    await register(bench, "churn", b"b")
    assert await is_there(bench, before.blob)
    await bench.store.cancel(jobs[0])
    assert await is_there(bench, before.blob)
    await bench.store.cancel(jobs[1])
    assert not await is_there(bench, before.blob)


async def test_a_registered_model_outlives_its_jobs(bench: Bench) -> None:
    model, _ = await register(bench, "churn", b"a")
    await bench.store.cancel(await job_over(bench, model))
    assert await is_there(bench, model.blob)
    assert await bench.store.models.delete("churn")
    assert not await is_there(bench, model.blob)
    assert not await bench.store.models.delete("churn")
    assert await bench.store.models.get("churn") is None


async def test_a_deleted_model_stays_until_its_job_has_ended(bench: Bench) -> None:
    model, _ = await register(bench, "churn", b"a")
    job_id = await job_over(bench, model)
    await bench.store.models.delete("churn")
    assert await is_there(bench, model.blob)
    await bench.store.cancel(job_id)
    assert not await is_there(bench, model.blob)


async def test_sent_twice_it_is_registered_once(bench: Bench) -> None:
    blob = await bench.upload(b"a")
    for _ in range(2):
        model, is_new = await bench.store.models.put("churn", blob, ModelFormat.SKOPS)
        assert is_new
    assert await is_there(bench, model.blob)


async def test_an_upload_that_has_expired_gets_no_name(bench: Bench) -> None:
    blob = await bench.upload(b"a")
    await bench.redis.delete(keys.blob(blob.id))
    with pytest.raises(errors.StorageUnavailable):
        await bench.store.models.put("churn", blob, ModelFormat.SKOPS)
    assert await bench.store.models.all() == []


async def test_the_first_job_tells_what_it_is(bench: Bench) -> None:
    model, _ = await register(bench, "churn", b"a")
    assert await bench.store.models.info(model) is None
    await opened(bench, await job_over(bench, model), span(0, 1))
    assert await bench.store.models.info(model) == MODEL
    assert msgspec.json.decode(await bench.redis.hget(keys.MODELS, "churn"))["name"] == "churn"
