"""Health of the service as the web process sees it: is the process there, can it take work, and the whole picture.

Every look at Redis ends within CHECK_S. `/livez` never asks Redis: a store that is away must not get this process
restarted. Does not judge memory: see `admin`.
"""

import asyncio
import time
from typing import Any, Literal, get_args

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.resources import Resources, resources
from api.responses import HealthResponse, JsonResponse
from api.routes import Answer, Routes
from jobs import heartbeats, overview, store_policy
from jobs.connection import UNAVAILABLE, NoPermissionError, RedisClient, RedisError
from jobs.rehearsal import rehearse
from jobs.version import VERSION

CHECK_S = 1.5
Status = Literal["pass", "warn", "fail"]
PASS, WARN, FAIL = get_args(Status)
STALE_S = 5.0
"""A supervisor sends a heartbeat every second."""
WAITING_S = 60.0
OVERDUE_S = 10.0
"""A lease that expired is returned within moments, by any supervisor."""
routes = Routes(None)


class Liveness(msgspec.Struct, kw_only=True):
    """The process answers."""

    status: Status


class Readiness(msgspec.Struct, kw_only=True):
    """Whether the service can take work, and what is missing: redis or supervisors."""

    status: Status
    missing: list[str]


class Check(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`output` says what is wrong and what to do about it; left out where nothing is."""

    status: Status
    output: str = ""


class RedisCheck(Check, kw_only=True, omit_defaults=True):
    """The store answers."""

    latency_seconds: float | msgspec.UnsetType = msgspec.UNSET


class EvictionCheck(Check, kw_only=True):
    """The store deletes nothing by itself."""

    policy: str | None


class SupervisorsCheck(Check, kw_only=True):
    """Somebody works, and nobody has fallen silent without signing off."""

    count: int
    draining: int
    silent: int


class SandboxCheck(Check, kw_only=True):
    """Children can do nothing but their work: the layers that are on at every supervisor which tells."""

    active: list[str]


class QueueCheck(Check, kw_only=True):
    """Nothing waits long."""

    jobs: int
    pending_chunks: int
    leased_chunks: int
    oldest_seconds: float | None
    longest_wait_seconds: float | None


class RescueCheck(Check, kw_only=True):
    """What a lost supervisor held goes back into the queue."""

    overdue_leases: int


class Checks(msgspec.Struct, kw_only=True):
    """Only the first while Redis is away."""

    redis: RedisCheck
    eviction: EvictionCheck | msgspec.UnsetType = msgspec.UNSET
    supervisors: SupervisorsCheck | msgspec.UnsetType = msgspec.UNSET
    sandbox: SandboxCheck | msgspec.UnsetType = msgspec.UNSET
    queue: QueueCheck | msgspec.UnsetType = msgspec.UNSET
    rescue: RescueCheck | msgspec.UnsetType = msgspec.UNSET


class Health(msgspec.Struct, kw_only=True):
    """The whole picture; the worst check decides."""

    status: Status
    version: str
    checks: Checks


@routes.get("/livez", "getLiveness", "The process answers", Answer("It does.", Liveness))
async def livez(_: Request) -> Response:
    """Never asks Redis."""
    return JsonResponse(Liveness(status=PASS))


@routes.get(
    "/readyz",
    "getReadiness",
    "Redis takes submissions and a supervisor takes work",
    Answer("It can take work.", content={HealthResponse.media_type: Readiness}),
    Answer("Something is missing.", status=503, content={HealthResponse.media_type: Readiness}),
)
async def readyz(request: Request) -> Response:
    """Redis takes submissions and a supervisor is there to work: `status`, and what is `missing`."""
    missing = await missing_for_work(resources(request))
    readiness = Readiness(status=FAIL if missing else PASS, missing=missing)
    return HealthResponse(readiness, 503 if missing else 200)


async def missing_for_work(house: Resources) -> list[str]:
    """ "redis", where it takes no submissions, or "supervisors", where none takes work."""
    try:
        async with asyncio.timeout(CHECK_S):
            await rehearse(house.redis)
            return [] if _working(await heartbeats.snapshots(house.redis)) else ["supervisors"]
    except (RedisError, OSError):
        return ["redis"]


@routes.get(
    "/health",
    "getHealth",
    "The whole picture: pass, warn or fail",
    Answer("Every check.", content={HealthResponse.media_type: Health}),
    Answer("Redis is away.", status=503, content={HealthResponse.media_type: Health}),
    link="health",
)
async def health(request: Request) -> Response:
    """`status`, `version` and `checks`: redis, eviction, supervisors, sandbox, queue, rescue.

    503 only when Redis is away.
    """
    house = resources(request)
    try:
        async with asyncio.timeout(CHECK_S):
            checks = await _checks(house.redis)
    except (RedisError, OSError) as error:
        checks = Checks(redis=RedisCheck(status=FAIL, output=str(error) or "no answer in time"))
    found = {check.status for check in msgspec.structs.astuple(checks) if isinstance(check, Check)}
    status = next(status for status in (FAIL, WARN, PASS) if status in found)
    return HealthResponse(Health(status=status, version=VERSION, checks=checks), 503 if status == FAIL else 200)


async def _checks(redis: RedisClient) -> Checks:
    start = time.perf_counter()
    await redis.ping()
    latency = time.perf_counter() - start
    await rehearse(redis)
    queue, snapshots = await overview.of_queue(redis), await heartbeats.snapshots(redis)
    return Checks(
        redis=RedisCheck(status=PASS, latency_seconds=round(latency, 4)),
        eviction=_eviction((await redis_memory(redis))["policy"]),
        supervisors=_supervisors(snapshots, queue["supervisors"]),
        sandbox=_sandbox(snapshots),
        queue=_queue(queue),
        rescue=_rescue(queue),
    )


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


def _eviction(policy: str | None) -> EvictionCheck:
    """Any other policy deletes jobs when memory is short."""
    faults = [store_policy.ADVICE] if store_policy.evicts(policy) else []
    return EvictionCheck(policy=policy, **_judged(faults))


def _supervisors(snapshots: list[dict[str, Any]], heard: list[dict[str, Any]]) -> SupervisorsCheck:
    working = _working(snapshots)
    silent = [found for found in heard if found["heard_s_ago"] > STALE_S]
    faults = [] if working else ["no supervisor takes work; jobs wait"]
    faults += [
        f"{found['name']} has not been heard of for {found['heard_s_ago']:.0f} s: look whether it was killed or hangs"
        for found in silent
    ]
    count = len(snapshots)
    return SupervisorsCheck(count=count, draining=count - working, silent=len(silent), **_judged(faults))


def _sandbox(snapshots: list[dict[str, Any]]) -> SandboxCheck:
    told = {snapshot["name"]: snapshot["sandbox"] for snapshot in snapshots if snapshot.get("sandbox")}
    faults = [f"{name} runs with SANDBOX=off" for name, found in told.items() if found["mode"] == "off"]
    faults += [
        f"the platform of {name} lacks {', '.join(found['missing'])}: see docs/security.md"
        for name, found in told.items()
        if found["missing"]
    ]
    shared = [set(found["active"]) for found in told.values()]
    return SandboxCheck(active=sorted(set.intersection(*shared)) if shared else [], **_judged(faults))


def _working(snapshots: list[dict[str, Any]]) -> int:
    return sum(not snapshot.get("draining") for snapshot in snapshots)


def _queue(queue: dict[str, Any]) -> QueueCheck:
    jobs = queue["jobs"]
    waiting_s = max((job["waiting_s"] for job in jobs), default=None)
    faults = []
    if waiting_s is not None and waiting_s > WAITING_S:
        faults = [f"chunks of a job have waited for {waiting_s:.0f} s: start more supervisors, or see /admin/queue"]
    return QueueCheck(
        jobs=queue["jobs_total"],
        pending_chunks=sum(job["pending"] for job in jobs),
        leased_chunks=queue["leases_total"],
        oldest_seconds=max((job["age_s"] for job in jobs), default=None),
        longest_wait_seconds=waiting_s,
        **_judged(faults),
    )


def _rescue(queue: dict[str, Any]) -> RescueCheck:
    overdue = [-lease["seconds_left"] for lease in queue["leases"] if lease["seconds_left"] < -OVERDUE_S]
    faults = []
    if overdue:
        faults = [
            f"{len(overdue)} lease(s) expired up to {max(overdue):.0f} s ago and were not returned: "
            "no supervisor runs, or none reaches the store"
        ]
    return RescueCheck(overdue_leases=len(overdue), **_judged(faults))


def _judged(faults: list[str]) -> dict[str, Any]:
    return {"status": WARN if faults else PASS, "output": "; ".join(faults)}
