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
                                reserved_bytes, children_bytes, children, largest_share_percent}

Does not measure supervisors or children: they report themselves.
"""

import gc
import os
import resource
import sys
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.health import redis_memory
from api.representation import without_traceback
from api.resources import resources
from api.responses import JsonResponse
from jobs import heartbeats, history, overview
from jobs.outcomes import DEATHS
from jobs.settings import MIB, Settings

KILLS = sorted(DEATHS)
_STATM = Path("/proc/self/statm")


async def memory(request: Request) -> Response:
    """GET /admin/memory."""
    house = resources(request)
    snapshots = await heartbeats.snapshots(house.redis)
    outcomes = await overview.outcomes(house.redis)
    names = [str(snapshot["name"]) for snapshot in snapshots]
    histories = {name: await history.read(house.redis, name) for name in names}
    return JsonResponse(
        {
            **_for_older_clients(house.settings, snapshots),
            "limit_bytes": snapshots[0].get("limit_bytes") if snapshots else house.settings.memory_limit_bytes,
            "budget_bytes": snapshots[0].get("budget_bytes") if snapshots else None,
            "web": {"pid": os.getpid(), "rss_bytes": rss_bytes()},
            "supervisors": snapshots,
            "kills": {outcome.value: outcomes.get(outcome.value, 0) for outcome in KILLS},
            "last_failures": [_failure(failure) for failure in await overview.failures(house.redis)],
            "redis": await redis_memory(house.redis),
            "history": history.merged(histories),
        }
    )


async def queue(request: Request) -> Response:
    """GET /admin/queue: jobs that wait, leases and their owners, supervisors; see `jobs.overview`."""
    return JsonResponse(await overview.of_queue(resources(request).redis))


def rss_bytes() -> int:
    """The resident memory of this process; where the system does not tell, the most that it ever was."""
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def _for_older_clients(settings: Settings, snapshots: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "success": True,
        "memory_usage_mb": round(rss_bytes() / MIB, 2),
        "optimized_worker_applied": any(snapshot.get("aggressive_memory_management") for snapshot in snapshots),
        "gc_enabled": gc.isenabled(),
        "gc_counts": gc.get_count(),
        "max_rows_per_batch": settings.shap_batch_size,
    }


def _failure(failure: dict[str, Any]) -> dict[str, Any]:
    return failure | {"evidence": without_traceback(failure.get("evidence") or {})}
