"""Operator's routes: the memory of every process, and the queue. Served by the web process.

`/admin/memory` keeps the fields of older clients (success, memory_usage_mb, optimized_worker_applied, gc_enabled,
gc_counts, max_rows_per_batch; the first, fourth and fifth are this process's own) and adds

    limit_bytes, budget_bytes   of the first supervisor; each has its own below
    web                         {pid, rss_bytes}
    supervisors                 their latest snapshots, as they sent them
    kills                       attempts that did not end by themselves, by outcome, over all jobs
    last_failures               the last attempts that did not succeed, newest first
    redis                       {used_memory_bytes, maxmemory_bytes, policy}
    history                     the last hour, oldest first: {supervisor, at_ms, in_use_bytes, family_bytes,
                                reserved_bytes, children_bytes, children, largest_share_percent, waiting_jobs}

Does not measure supervisors or children: they report themselves.
"""

import gc
import os
import resource
import sys
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.auth import Realm
from api.health import redis_memory
from api.representation import without_traceback
from api.resources import Resources, resources
from api.responses import JsonResponse
from api.routes import Answer, Routes
from jobs import heartbeats, history, overview
from jobs.outcomes import DEATHS, Attempt
from jobs.settings import MIB
from jobs.states import JobState

KILLS = sorted(DEATHS)
_STATM = Path("/proc/self/statm")


routes = Routes(Realm.ADMIN)


class WebProcess(msgspec.Struct, kw_only=True):
    """The process that answers."""

    pid: int
    rss_bytes: int


class RedisMemory(msgspec.Struct, kw_only=True):
    """Null where this Redis does not tell."""

    used_memory_bytes: int | None
    maxmemory_bytes: int | None
    policy: str | None


class FailedAttempt(Attempt, kw_only=True, omit_defaults=True):
    """An attempt that did not succeed, with its job."""

    job_id: str


class Memory(msgspec.Struct, kw_only=True):
    """The memory of every process."""

    success: bool
    memory_usage_mb: float
    optimized_worker_applied: bool
    gc_enabled: bool
    gc_counts: list[int]
    max_rows_per_batch: int | str
    limit_bytes: int | None
    budget_bytes: int | None
    web: WebProcess
    supervisors: list[dict[str, Any]]
    kills: dict[str, int]
    last_failures: list[FailedAttempt]
    redis: RedisMemory
    history: list[dict[str, str | int]]


@routes.get("/admin/memory", "getMemory", "The memory of every process", Answer("Memory.", Memory), link="memory")
async def memory(request: Request) -> Response:
    """As the head of this module says."""
    return JsonResponse(await now(resources(request)))


async def now(house: Resources, *, hour: bool = True) -> Memory:
    """The document; without the hour its history is empty."""
    snapshots = await heartbeats.snapshots(house.redis)
    outcomes = await overview.outcomes(house.redis)
    names = [str(snapshot["name"]) for snapshot in snapshots if hour]
    histories = {name: await history.read(house.redis, name) for name in names}
    first = snapshots[0] if snapshots else {"limit_bytes": house.settings.memory_limit_bytes}
    own = WebProcess(pid=os.getpid(), rss_bytes=rss_bytes())
    return Memory(
        success=True,
        memory_usage_mb=round(own.rss_bytes / MIB, 2),
        optimized_worker_applied=any(snapshot.get("aggressive_memory_management") for snapshot in snapshots),
        gc_enabled=gc.isenabled(),
        gc_counts=list(gc.get_count()),
        max_rows_per_batch=house.settings.shap_batch_size,
        limit_bytes=first.get("limit_bytes"),
        budget_bytes=first.get("budget_bytes"),
        web=own,
        supervisors=snapshots,
        kills={outcome.value: outcomes.get(outcome.value, 0) for outcome in KILLS},
        last_failures=[_failure(failure) for failure in await overview.failures(house.redis)],
        redis=RedisMemory(**await redis_memory(house.redis)),
        history=history.merged(histories),
    )


class WaitingJob(msgspec.Struct, kw_only=True):
    """A job with pending chunks. `status` is null when it ended a moment ago."""

    job_id: str
    caller: str
    """Empty: the unnamed caller."""
    status: JobState | None
    pending: int
    leased: bool
    age_s: float
    waiting_s: float


class WaitingCaller(msgspec.Struct, kw_only=True):
    """A caller with jobs that have pending chunks; the longest that one of those listed has waited."""

    caller: str
    jobs: int
    waiting_s: float


class LeasedChunk(msgspec.Struct, kw_only=True):
    """A chunk that somebody works on; below zero seconds it is overdue for rescue."""

    job_id: str
    chunk: str
    owner: str | None
    attempts: int | None
    crashes: int | None
    seconds_left: float


class HeardSupervisor(msgspec.Struct, kw_only=True):
    """A supervisor that has sent a heartbeat lately."""

    name: str
    heard_s_ago: float
    leased: int


class Queue(msgspec.Struct, kw_only=True):
    """Jobs that wait, leases and their owners, supervisors: as `jobs.overview` writes them."""

    jobs: list[WaitingJob]
    jobs_total: int
    callers: list[WaitingCaller]
    leases: list[LeasedChunk]
    leases_total: int
    supervisors: list[HeardSupervisor]


@routes.get("/admin/queue", "getQueue", "Jobs that wait, leases, supervisors", Answer("Queue.", Queue), link="queue")
async def queue(request: Request) -> Response:
    """See `jobs.overview`."""
    return JsonResponse(await overview.of_queue(resources(request).redis))


def rss_bytes() -> int:
    """The resident memory of this process; where the system does not tell, the most that it ever was."""
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def _failure(failure: dict[str, Any]) -> FailedAttempt:
    found = msgspec.convert(failure, FailedAttempt)
    return msgspec.structs.replace(found, evidence=without_traceback(found.evidence))
