"""Quotas at the door: requests a minute, and jobs and bytes, each refused with its number and a Retry-After."""

import asyncio

import pytest
from redis.asyncio import Redis
from starlette.testclient import TestClient

from api.request_quota import RequestQuota
from jobs.callers import OPERATOR, Caller
from jobs.errors import TooManyRequests
from tests.api.conftest import MODEL, MakeClient, files
from tests.api.test_tokens import ALICE, BOB, TOKENS, bearer, put, submit

ALICES = Caller(name="alice", most_requests=100)


class Clock:
    def __init__(self) -> None:
        self.now = 6000.0

    def __call__(self) -> float:
        return self.now


async def taken(quota: RequestQuota, count: int, caller: Caller = ALICES) -> int:
    """How many of so many requests pass."""
    found = await asyncio.gather(*(quota.take(caller) for _ in range(count)), return_exceptions=True)
    assert all(one is None or isinstance(one, TooManyRequests) for one in found), found
    return sum(one is None for one in found)


def over_valkey(url: str, play):  # type: ignore[no-untyped-def]
    async def whole() -> None:
        redis = Redis.from_url(url)
        try:
            await play(redis)
        finally:
            await redis.aclose()

    asyncio.run(whole())


def test_so_many_a_minute_and_again_in_the_next(valkey_url: str) -> None:
    async def play(redis: Redis) -> None:
        clock = Clock()
        quota = RequestQuota(redis, clock=clock)
        assert await taken(quota, 150) == 100
        assert await taken(quota, 20, Caller(name="bob", most_requests=7)) == 7
        clock.now += 59.9
        with pytest.raises(TooManyRequests, match="100 requests a minute") as refused:
            await quota.take(ALICES)
        assert refused.value.detail == {"limit": 100, "retry_after_s": 1}
        clock.now += 0.1
        assert await taken(quota, 150) == 100
        assert await taken(quota, 1000, Caller(name="eve")) == 1000, "0 is no limit"
        assert await taken(quota, 1000, OPERATOR) == 1000

    over_valkey(valkey_url, play)


def test_processes_share_a_minute(valkey_url: str) -> None:
    async def play(redis: Redis) -> None:
        clock = Clock()
        quotas = [RequestQuota(redis, clock=clock) for _ in range(3)]
        passed = sum([await taken(quota, 40) for quota in quotas])
        assert passed == 100
        assert await redis.ttl(await anext(redis.scan_iter("shap:caller:alice:requests:*"))) > 60

    over_valkey(valkey_url, play)


def test_hardly_any_request_asks_the_store(valkey_url: str) -> None:
    async def play(redis: Redis) -> None:
        quota = RequestQuota(redis, clock=Clock())
        before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] if await taken(quota, 1) else 0
        assert await taken(quota, 999, Caller(name="alice", most_requests=5000)) == 999
        assert (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] - before <= 10

    over_valkey(valkey_url, play)


def test_a_full_store_refuses_no_request(valkey_url: str) -> None:
    async def play(redis: Redis) -> None:
        await redis.config_set("maxmemory", 1)
        try:
            assert await taken(RequestQuota(redis, clock=Clock()), 10) == 10
        finally:
            await redis.config_set("maxmemory", 0)

    over_valkey(valkey_url, play)


@pytest.fixture
def small(make_client: MakeClient) -> TestClient:
    return make_client(**TOKENS, caller_waiting_jobs=1, caller_stored_mb=1, caller_requests_per_minute=5)


def test_a_request_too_many_is_a_429_for_this_caller_only(small: TestClient) -> None:
    for _ in range(5):
        assert small.get("/jobs", headers=bearer(ALICE)).status_code == 200
    response = small.get("/models", headers=bearer(ALICE))
    assert (response.status_code, response.json()["code"]) == (429, "too_many_requests")
    assert "5 requests a minute (CALLER_REQUESTS_PER_MINUTE)" in response.json()["detail"]
    assert 1 <= int(response.headers["retry-after"]) <= 60
    assert response.json()["data"]["limit"] == 5
    assert small.get("/jobs", headers=bearer(BOB)).status_code == 200
    assert small.get("/livez").status_code == 200
    assert small.get("/jobs").status_code == 401


def test_a_job_too_many_is_a_429_until_one_has_ended(small: TestClient) -> None:
    job_id = submit(small, ALICE)
    response = small.post("/analyze", files=files(), headers=bearer(ALICE))
    assert (response.status_code, response.json()["code"]) == (429, "too_many_jobs")
    assert "1 jobs that have not ended (CALLER_WAITING_JOBS)" in response.json()["detail"]
    assert int(response.headers["retry-after"]) >= 1
    submit(small, BOB)
    assert small.delete(f"/jobs/{job_id}", headers=bearer(ALICE)).status_code == 200
    submit(small, ALICE)


def test_a_large_submission_that_is_sent_again_is_no_job_too_many(make_client: MakeClient) -> None:
    client = make_client(**TOKENS, caller_waiting_jobs=1)
    large = files(data=("d.csv", b"a,b\n" + b"1,2\n" * 100_000))
    sent = [client.post("/analyze", files=large, headers=bearer(ALICE, **{"Idempotency-Key": "k"})) for _ in range(2)]
    assert [answer.status_code for answer in sent] == [202, 202]
    assert sent[0].json() == sent[1].json()
    response = client.post("/analyze", files=large, headers=bearer(ALICE))
    assert (response.status_code, response.json()["code"]) == (429, "too_many_jobs")


def test_bytes_too_many_are_a_429_before_the_body_is_read(small: TestClient) -> None:
    big = b"a,b\n" + b"1,2\n" * 300_000
    response = small.post("/analyze", files=files(data=("d.csv", big)), headers=bearer(ALICE))
    assert (response.status_code, response.json()["code"]) == (429, "too_many_bytes")
    assert "1048576 bytes" in response.json()["detail"]
    assert int(response.headers["retry-after"]) >= 1
    response = put(small, ALICE, content=MODEL + b" " * 2_000_000)
    assert (response.status_code, response.json()["code"]) == (429, "too_many_bytes")
    for nonsense in (
        small.post("/analyze", files={"background": ("b.csv", big)}, headers=bearer(ALICE)),
        put(small, ALICE, content=b"no model at all" * 100_000),
    ):
        assert (nonsense.status_code, nonsense.json()["code"]) == (429, "too_many_bytes"), "its body was not looked at"


def test_bytes_that_fit_alone_are_refused_beside_others(small: TestClient) -> None:
    big = b"a,b\n" + b"1,2\n" * 300_000
    assert put(small, BOB, content=MODEL + b" " * 900_000).status_code == 201
    response = small.post("/analyze", files=files(data=("d.csv", big[:200_000])), headers=bearer(BOB))
    assert (response.status_code, response.json()["code"]) == (429, "too_many_bytes")
