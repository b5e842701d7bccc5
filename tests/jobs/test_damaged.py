"""Records that somebody has edited, lost a part of, or written with another version: they hide no others."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import redis

from jobs import heartbeats, keys, overview
from jobs.audit import Audit
from jobs.errors import UnknownJob, UnreadableRecord
from jobs.formats import ModelFormat
from jobs.states import JobState
from tests.jobs.conftest import Bench
from tests.jobs.invariants import DUMP, Picture, check
from tests.jobs.steps import finish, lease, opened, span

pytestmark = pytest.mark.anyio
Damage = Callable[[Any, str], Any]


def field(name: str, value: Any) -> Damage:
    return lambda r, j: r.hset(f"shap:job:{j}", name, value)


DAMAGES: dict[str, Damage] = {
    "no json": field("options", "{"),
    "no utf-8": field("options", b"\xff\xfe"),
    "deep": field("error", "[" * 5000),
    "another version's options": field("options", '{"explainer":"of the future"}'),
    "another version's state": field("state", "paused"),
    "no number": field("rows", "many"),
    "huge": field("peak_bytes", str(2**70)),
    "no time": field("created_at", "nan"),
    "beyond all time": field("created_at", "1e300"),
    "null in its error": field("error", '{"code":null,"message":"m"}'),
    "no list": field("blobs", "{}"),
    "evicted field": lambda r, j: r.hdel(f"shap:job:{j}", "options"),
    "evicted state": lambda r, j: r.hdel(f"shap:job:{j}", "state"),
    "another type": lambda r, j: (r.delete(f"shap:job:{j}"), r.set(f"shap:job:{j}", "x")),
}


def codes(client: Any, *, apply: bool = False) -> set[str]:
    return {finding.code for finding in Audit(client, job_ttl_s=60, apply=apply).run()}


@pytest.fixture
def client(bench: Bench) -> Any:
    return redis.Redis.from_url(bench.url)


@pytest.mark.parametrize("name", DAMAGES)
async def test_a_damaged_job_hides_no_other_and_is_ended(bench: Bench, client: Any, name: str) -> None:
    before, damaged, after = [await bench.submit() for _ in range(3)]
    await lease(bench, damaged)
    client.set("shap:supervisor:sup", "{}")
    DAMAGES[name](client, damaged)
    found = await bench.store.jobs()
    assert ([job.job_id for job in found.jobs], found.unreadable) == ([after, before], [damaged])
    with pytest.raises(UnreadableRecord) as caught:
        await bench.store.job(damaged)
    assert (caught.value.code, caught.value.status) == ("unreadable_record", 409)
    assert "unreadable" in codes(client)
    assert "unreadable" in codes(client, apply=True)
    assert codes(client) == set()
    check(Picture(client.eval(DUMP, 0)))
    job = await bench.store.job(damaged)
    assert (job.state, job.error and job.error.code) == (JobState.FAILED, "store_damaged")


@pytest.mark.parametrize("key", ["model", "layout", "summary"])
async def test_a_list_does_not_read_what_it_does_not_show(bench: Bench, client: Any, key: str) -> None:
    """Names of features may take a megabyte a job."""
    job_id = await bench.submit()
    await finish(bench, await opened(bench, job_id, span(0, 4)), b"aaaaaaaa", {"a": 1})
    client.hset(f"shap:job:{job_id}", key, "{")
    (job,) = (await bench.store.jobs()).jobs
    assert job.about
    assert (job.about.features, job.about.outputs, job.model, job.layout, job.summary) == (1, 1, None, None, None)
    with pytest.raises(UnreadableRecord):
        await bench.store.job(job_id)


async def test_a_base_value_that_json_cannot_say_is_no_record(bench: Bench, client: Any) -> None:
    job_id = await bench.submit()
    await opened(bench, job_id, span(0, 4))
    raw = client.hget(f"shap:job:{job_id}", "model")
    client.hset(f"shap:job:{job_id}", "model", raw.replace(b'"base_values":[0.0]', b'"base_values":[null]'))
    with pytest.raises(UnreadableRecord, match="base_values"):
        await bench.store.job(job_id)


async def test_another_callers_damaged_job_is_not_there(bench: Bench, client: Any) -> None:
    job_id = await bench.submit(caller="alice")
    client.hset(f"shap:job:{job_id}", "options", "{")
    with pytest.raises(UnknownJob):
        await bench.store_of("bob").job(job_id)
    assert (await bench.store_of("bob").jobs()).unreadable == []
    assert (await bench.store_of("alice").jobs()).unreadable == [job_id]


@pytest.mark.parametrize("record", ["{", "[]", "5", '{"id":"10-14"}', '{"id":"0-1","state":"pending"}'])
async def test_a_damaged_chunk_stops_nobody(bench: Bench, client: Any, record: str) -> None:
    damaged = await bench.submit()
    await opened(bench, damaged, span(0, 4), span(5, 9))
    other = await bench.submit()
    client.hset(f"shap:job:{damaged}:chunks", "0-4", record)
    client.zadd(keys.LEASES, {f"{damaged}/0-4": 1})
    leased = {found.job_id for _ in range(4) if (found := await bench.queue.lease())}
    assert other in leased
    expired, _ = await bench.queue.expired()
    assert expired == []
    client.set("shap:supervisor:sup", "{}")
    assert "unreadable" in codes(client, apply=True)
    assert codes(client, apply=True) <= {"stuck", "not_held", "lease_of_nothing"}
    assert codes(client) == set()
    assert await bench.store.cancel(damaged)


async def test_lists_of_operators_leave_out_what_cannot_be_read(bench: Bench, client: Any) -> None:
    job_id = await bench.submit()
    client.rpush(keys.FAILURES, "{", json.dumps({"job_id": "j"}))
    client.hset(f"shap:job:{job_id}", "created_at", "long ago")
    client.zadd(keys.SUPERVISORS, {"x": 9e9, "y": 9e9})
    client.set(keys.snapshot("x"), "{")
    client.set(keys.snapshot("y"), '{"name":"y"}')
    assert await overview.failures(bench.redis) == [{"job_id": "j"}]
    assert [job["job_id"] for job in (await overview.of_queue(bench.redis))["jobs"]] == [job_id]
    assert await heartbeats.snapshots(bench.redis) == [{"name": "y"}]


async def test_a_damaged_attempt_is_left_out(bench: Bench, client: Any) -> None:
    job_id = await bench.submit()
    await finish(bench, await opened(bench, job_id, span(0, 4)), b"aaaaaaaa", {"a": 1})
    client.rpush(f"shap:job:{job_id}:attempts", "{")
    assert [attempt.chunk for attempt in await bench.store.attempts(job_id)] == ["0-4"]


async def test_a_damaged_model_hides_no_other_and_can_be_deleted(bench: Bench, client: Any) -> None:
    models = bench.store.models
    for name in ("a", "b"):
        await models.put(name, await bench.upload(b"model"), ModelFormat.SKOPS)
    client.hset(keys.MODELS, "a", "{")
    assert [model.name for model in await models.all()] == ["b"]
    with pytest.raises(UnreadableRecord):
        await models.get("a")
    codes(client, apply=True)
    assert await models.delete("a")
    assert [model.name for model in await models.all()] == ["b"]
