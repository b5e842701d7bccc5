"""Health of the service as the web process sees it: is the process there, can it take work, and the whole picture.

Every look at Redis ends within CHECK_S. `/livez` never asks Redis: a store that is away must not get this process
restarted. Does not judge memory: see `admin`.
"""

import asyncio
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.resources import resources
from api.responses import HealthResponse, JsonResponse
from jobs import heartbeats, overview, store_policy
from jobs.connection import UNAVAILABLE, NoPermissionError, RedisClient, RedisError
from jobs.version import VERSION

CHECK_S = 1.5
PASS, WARN, FAIL = "pass", "warn", "fail"
STALE_S = 5.0
"""A supervisor sends a heartbeat every second."""
WAITING_S = 60.0
OVERDUE_S = 10.0
"""A lease that expired is returned within moments, by any supervisor."""
Check = dict[str, Any]


async def livez(_: Request) -> Response:
    """The process answers."""
    return JsonResponse({"status": PASS})


async def readyz(request: Request) -> Response:
    """Redis answers and a supervisor is there to work: `status`, and what is `missing`."""
    house = resources(request)
    try:
        async with asyncio.timeout(CHECK_S):
            await house.redis.ping()
            missing = [] if _working(await heartbeats.snapshots(house.redis)) else ["supervisors"]
    except (RedisError, OSError):
        missing = ["redis"]
    return HealthResponse({"status": FAIL if missing else PASS, "missing": missing}, 503 if missing else 200)


async def health(request: Request) -> Response:
    """`status`, `version` and `checks`: redis, eviction, supervisors, queue, rescue. 503 only when Redis is away."""
    house = resources(request)
    try:
        async with asyncio.timeout(CHECK_S):
            checks = await _checks(house.redis)
    except (RedisError, OSError) as error:
        checks = {"redis": {"status": FAIL, "output": str(error) or "no answer in time"}}
    found = {check["status"] for check in checks.values()}
    status = next(status for status in (FAIL, WARN, PASS) if status in found)
    document = {"status": status, "version": VERSION, "checks": checks}
    return HealthResponse(document, 503 if status == FAIL else 200)


async def _checks(redis: RedisClient) -> dict[str, Check]:
    start = time.perf_counter()
    await redis.ping()
    latency = time.perf_counter() - start
    queue = await overview.of_queue(redis)
    return {
        "redis": {"status": PASS, "latency_seconds": round(latency, 4)},
        "eviction": _eviction((await redis_memory(redis))["policy"]),
        "supervisors": _supervisors(await heartbeats.snapshots(redis), queue["supervisors"]),
        "queue": _queue(queue),
        "rescue": _rescue(queue),
    }


async def redis_memory(redis: RedisClient) -> dict[str, Any]:
    """used_memory_bytes, maxmemory_bytes and policy; null where this Redis does not tell."""
    try:
        found = await redis.info("memory")
    except NoPermissionError:
        found = {}
    except UNAVAILABLE:
        raise
    except RedisError:
        found = {}
    return {
        "used_memory_bytes": found.get("used_memory"),
        "maxmemory_bytes": found.get("maxmemory"),
        "policy": found.get("maxmemory_policy"),
    }


def _eviction(policy: str | None) -> Check:
    """Any other policy deletes jobs when memory is short."""
    if store_policy.evicts(policy):
        return {"status": WARN, "policy": policy, "output": store_policy.ADVICE}
    return {"status": PASS, "policy": policy}


def _supervisors(snapshots: list[dict[str, Any]], heard: list[dict[str, Any]]) -> Check:
    """Somebody works, and nobody has fallen silent without signing off."""
    working = _working(snapshots)
    silent = [found for found in heard if found["heard_s_ago"] > STALE_S]
    faults = [] if working else ["no supervisor takes work; jobs wait"]
    faults += [
        f"{found['name']} has not been heard of for {found['heard_s_ago']:.0f} s: look whether it was killed or hangs"
        for found in silent
    ]
    counts = {"count": len(snapshots), "draining": len(snapshots) - working, "silent": len(silent)}
    return _judged(counts, faults)


def _working(snapshots: list[dict[str, Any]]) -> int:
    return sum(not snapshot.get("draining") for snapshot in snapshots)


def _queue(queue: dict[str, Any]) -> Check:
    """Nothing waits long."""
    jobs = queue["jobs"]
    waiting_s = max((job["waiting_s"] for job in jobs), default=None)
    faults = []
    if waiting_s is not None and waiting_s > WAITING_S:
        faults = [f"chunks of a job have waited for {waiting_s:.0f} s: start more supervisors, or see /admin/queue"]
    counts = {
        "jobs": queue["jobs_total"],
        "pending_chunks": sum(job["pending"] for job in jobs),
        "leased_chunks": queue["leases_total"],
        "oldest_seconds": max((job["age_s"] for job in jobs), default=None),
        "longest_wait_seconds": waiting_s,
    }
    return _judged(counts, faults)


def _rescue(queue: dict[str, Any]) -> Check:
    """What a lost supervisor held goes back into the queue."""
    overdue = [-lease["seconds_left"] for lease in queue["leases"] if lease["seconds_left"] < -OVERDUE_S]
    faults = []
    if overdue:
        faults = [
            f"{len(overdue)} lease(s) expired up to {max(overdue):.0f} s ago and were not returned: "
            "no supervisor runs, or none reaches the store"
        ]
    return _judged({"overdue_leases": len(overdue)}, faults)


def _judged(members: dict[str, Any], faults: list[str]) -> Check:
    if not faults:
        return {"status": PASS, **members}
    return {"status": WARN, **members, "output": "; ".join(faults)}
