"""What the web process shows of a supervisor, as plain data. Pure: everything it tells is handed in."""

import gc
import os
import socket
import time
from typing import Any

from jobs import VERSION
from jobs.settings import Settings
from supervisor.attempts import Run
from supervisor.inputs import trusted_models
from supervisor.memory import Plan
from supervisor.nest import Nest


def snapshot(
    *,
    name: str,
    settings: Settings,
    plan: Plan,
    nest: Nest,
    runs: list[Run],
    rss_bytes: int,
    started_at: float,
    draining: bool,
) -> dict[str, Any]:
    """Sizes in bytes, times in seconds since the epoch, ages in seconds."""
    return {
        "name": name,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "version": VERSION,
        "started_at": started_at,
        "sent_at": time.time(),
        "draining": draining,
        "limit_bytes": plan.limit.limit_bytes,
        "limit_source": plan.limit.source,
        "budget_bytes": plan.budget_bytes,
        "reserve_bytes": plan.reserve_bytes,
        "slots": plan.slots,
        "cap_bytes": plan.cap_bytes,
        "arithmetic": plan.arithmetic,
        "rss_bytes": rss_bytes,
        "forkserver": {
            "pid": nest.warm.pid,
            "rss_bytes": nest.warm.rss_bytes,
            "vm_size_bytes": nest.warm.vm_size_bytes,
        },
        "templates": _templates(nest),
        "children": [_child(run, plan) for run in runs if run.child],
        "trusted_models": trusted_models(settings.trusted_model_dir),
        "aggressive_memory_management": settings.aggressive_memory_management,
        "gc_enabled": gc.isenabled(),
        "gc_counts": list(gc.get_count()),
    }


def _templates(nest: Nest) -> list[dict[str, Any]]:
    now = time.monotonic()
    return [
        {
            "pid": template.child.pid,
            "model": template.model.name,
            "rss_bytes": nest.watch.of(template.child).rss_bytes,
            "children": template.users,
            "idle_s": 0.0 if template.users else round(now - template.idle_since, 1),
        }
        for template in nest.templates.loaded
    ]


def _child(run: Run, plan: Plan) -> dict[str, Any]:
    assert run.child
    sample = run.nest.watch.of(run.child)
    return {
        "pid": run.child.pid,
        "job_id": run.job.job_id,
        "chunk": run.lease.chunk.id,
        "attempt": run.lease.chunk.attempts + 1,
        "loading": run.loading,
        "rss_bytes": sample.rss_bytes,
        "vm_size_bytes": sample.vm_size_bytes,
        "growth_bytes": sample.growth_bytes,
        "cap_bytes": plan.cap_bytes,
        "share_of_cap": round(sample.growth_bytes / plan.cap_bytes, 3),
        "age_s": round(run.seconds, 3),
    }
