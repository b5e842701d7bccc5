"""`Prefer: wait=N`: the answer comes when the job ends, not when a clock says so."""

import asyncio
import io
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from redis.asyncio import Redis
from starlette.requests import Request
from starlette.testclient import TestClient

from api import subscription
from api.parameters import preferred_wait
from jobs.connection import connect_blocking
from jobs.options import Options
from jobs.records import JobError
from jobs.settings import Settings
from jobs.store import Store
from tests.api.conftest import files
from tests.api.player import Player

WAIT = {"Prefer": "respond-async, wait=30"}
VALUES = np.array([[1.0, 2.0], [3.0, 4.0]])


def submit_while(client: TestClient, play: Callable[[], Any], **headers: str) -> tuple[Any, float]:
    """Submit and wait, while somebody plays the supervisor; with the seconds from the job's end to the answer."""
    ended: list[float] = []

    def act() -> None:
        play()
        ended.append(time.perf_counter())

    thread = threading.Thread(target=act)
    thread.start()
    response = client.post("/analyze", files=files(), headers={**WAIT, **headers})
    answered = time.perf_counter()
    thread.join(timeout=20)
    return response, answered - ended[0]


@pytest.mark.anyio
async def test_who_has_waited_is_forgotten_and_others_are_not() -> None:
    known = subscription.Subscription(SimpleNamespace())
    with known._waiting_for("a") as first:
        with known._waiting_for("a"):
            pass
        known._announce("a")
        assert first.is_set()
    assert known._waiters == {}


@pytest.mark.anyio
async def test_a_store_that_is_away_is_not_asked_again_and_again() -> None:
    asked: list[float] = []
    twice = asyncio.Event()

    def pubsub(**_: Any) -> Any:
        asked.append(time.monotonic())
        if len(asked) > 1:
            twice.set()
        raise ConnectionError

    async with subscription.Subscription(cast("Any", SimpleNamespace(pubsub=pubsub))):
        await twice.wait()
    assert asked[1] - asked[0] > subscription.RECONNECT_S / 3 > 0.1


def test_the_result_comes_with_the_end_of_the_job(client: TestClient, player: Player, monkeypatch: Any) -> None:
    monkeypatch.setattr(subscription, "POLL_S", 25.0)  # the net must not be what catches it

    def play() -> None:
        player.finish(player.next_job(), VALUES.tobytes(), rows=2, features=["a", "b"])

    response, delay = submit_while(client, play)
    assert response.status_code == 200
    assert response.headers["preference-applied"] == "wait=30"
    assert response.json()["values"] == VALUES.tolist()
    assert response.headers["location"] == f"/jobs/{response.json()['job_id']}"
    assert delay < 0.5


def test_in_the_format_that_accept_names(client: TestClient, player: Player) -> None:
    def play() -> None:
        player.finish(player.next_job(), VALUES.tobytes(), rows=2, features=["a", "b"])

    response, _ = submit_while(client, play, Accept="application/x-npy")
    assert np.array_equal(np.load(io.BytesIO(response.content)), VALUES)


def test_a_failed_job(client: TestClient, player: Player) -> None:
    error = JobError(code="no_rows", message="data has no rows.", detail={"field": "data"})
    response, _ = submit_while(client, lambda: player.fail(player.next_job(), error))
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["preference-applied"] == "wait=30"
    document = response.json()
    assert response.headers["location"] == f"/jobs/{document['job_id']}"
    assert document == {
        "type": "urn:shap-supervisor:problem:no_rows",
        "title": "No rows",
        "status": response.status_code,
        "code": "no_rows",
        "detail": "data has no rows.",
        "data": {"field": "data"},
        "job_id": client.get("/jobs").json()["jobs"][0]["job_id"],
    }
    assert response.status_code == 422


def test_a_cancelled_job(client: TestClient, player: Player) -> None:
    response, _ = submit_while(client, lambda: client.delete(f"/jobs/{player.next_job()}"))
    assert (response.status_code, response.json()["code"]) == (409, "no_result")
    assert response.headers["location"] == f"/jobs/{response.json()['job_id']}"


def test_too_late(client: TestClient) -> None:
    start = time.perf_counter()
    response = client.post("/analyze", files=files(), headers={"Prefer": "wait=1"})
    assert response.status_code == 202
    assert response.json()["status"] == "queued"
    assert 0.9 < time.perf_counter() - start < 5


@pytest.mark.parametrize("prefer", ["wait=0", "wait=x", "wait=-1", "await=5", "", "return=minimal"])
def test_no_wait(client: TestClient, prefer: str) -> None:
    start = time.perf_counter()
    response = client.post("/analyze", files=files(), headers={"Prefer": prefer})
    assert response.status_code == 202
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(("prefer", "seconds"), [(b"wait=3600", 60), (b'WAIT = "5"', 5), (b"a=b; x, wait=7 ; y", 7)])
def test_how_long(prefer: bytes, seconds: float) -> None:
    assert preferred_wait(Request({"type": "http", "headers": [(b"prefer", prefer)]})) == seconds


def test_nothing_is_accepted_that_could_not_be_answered(client: TestClient) -> None:
    response = client.post("/analyze", files=files(), headers={"Prefer": "wait=1", "Accept": "text/html"})
    assert response.status_code == 406
    assert client.get("/jobs").json()["jobs"] == []


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_the_poll_catches_what_the_subscription_missed(valkey_url: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(subscription, "POLL_S", 0.05)
    redis = Redis.from_url(valkey_url)
    store = Store(redis, job_ttl_s=60)
    job_id = await store.submit({}, Options())
    await store.cancel(job_id)
    deaf = subscription.Subscription(redis)  # never listens
    job = await deaf.wait(store, job_id, 5)
    assert job
    assert job.state == "cancelled"
    await redis.aclose()


@pytest.mark.anyio
async def test_the_subscription_comes_back(valkey_url: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(subscription, "POLL_S", 25.0)
    monkeypatch.setattr(subscription, "RECONNECT_S", 0.3)
    redis, subscriber = Redis.from_url(valkey_url), connect_blocking(Settings(redis_url=valkey_url))
    store = Store(redis, job_ttl_s=60)
    async with subscription.Subscription(subscriber) as found:
        await _until(found.listening.is_set)
        await redis.client_kill_filter(_type="pubsub")
        await _until(lambda: not found.listening.is_set())
        await _until(found.listening.is_set)
        job_id = await store.submit({}, Options())
        waiting = asyncio.create_task(found.wait(store, job_id, 20))
        await asyncio.sleep(0)
        await store.cancel(job_id)
        job = await asyncio.wait_for(waiting, 5)
        assert job
    await redis.aclose()
    await subscriber.aclose()


@pytest.mark.anyio
async def test_with_the_context_the_listening_ends(valkey_url: str) -> None:
    async with asyncio.timeout(20):
        subscriber = connect_blocking(Settings(redis_url=valkey_url))
        async with subscription.Subscription(subscriber) as found:
            await found.listening.wait()
            assert not found._listener.done()
        assert found._listener.cancelled()
        await subscriber.aclose()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - there is no event for the end of an event
            await asyncio.sleep(0.01)


@pytest.mark.anyio
async def test_who_may_not_listen_says_so_once(valkey_url: str, monkeypatch: Any) -> None:
    """A user of the store who is held to our keys; waiters look for themselves."""
    lines: list[Any] = []
    logger = SimpleNamespace(warning=lambda event, **more: lines.append((event, more)))
    monkeypatch.setattr(subscription, "log", logger)
    monkeypatch.setattr(subscription, "RECONNECT_S", 0.01)
    redis = Redis.from_url(valkey_url)
    await redis.execute_command("ACL", "SETUSER", "mute", "on", ">right", "~shap:*", "+@all")
    subscriber = connect_blocking(Settings(redis_url=valkey_url.replace("//", "//mute:right@")))
    try:
        await redis.config_resetstat()
        async with subscription.Subscription(subscriber):
            await _until_refused(redis, 3)
        assert [event for event, _ in lines] == ["subscription_lost"]
        assert "right" not in str(lines)
    finally:
        await redis.execute_command("ACL", "DELUSER", "mute")
        await redis.aclose()
        await subscriber.aclose()


async def _until_refused(redis: Any, times: int) -> None:
    for _ in range(1000):
        if (await redis.info("errorstats")).get("errorstat_NOPERM", {"count": 0})["count"] >= times:
            return
        await asyncio.sleep(0.01)
    raise TimeoutError
