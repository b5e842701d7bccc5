"""What the web process shows of a supervisor, as plain data. Pure: everything it tells is handed in."""

import gc
import os
import socket
import time
from typing import Any

from jobs.settings import Settings
from jobs.trusted_models import trusted_models
from jobs.version import VERSION
from supervisor.children.pool import ProcessPool
from supervisor.children.stacks import Stack
from supervisor.chunks.run import Run


def snapshot(
    *,
    name: str,
    incarnation: str,
    settings: Settings,
    pool: ProcessPool,
    runs: list[Run],
    rss_bytes: int,
    started_at: float,
    draining: bool,
) -> dict[str, Any]:
    """Sizes in bytes, times in seconds since the epoch, ages in seconds."""
    plan = pool.plan
    return {
        "name": name,
        "incarnation": incarnation,
        "life": incarnation,  # its former name: the version before reads it, and /admin/memory shows it
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "version": VERSION,
        "started_at": started_at,
        "sent_at": time.time(),
        "draining": draining,
        "limit_bytes": plan.limit.limit_bytes,
        "limit_source": plan.limit.source,
        "in_use_bytes": pool.watch.in_use_bytes,
        "family_bytes": pool.watch.family_bytes,
        "budget_bytes": plan.budget_bytes,
        "reserved_bytes": pool.budget.reserved,
        "nearly_full": pool.budget.held,
        "reserve_bytes": plan.reserve_bytes,
        "slots": plan.slots,
        "cap_bytes": plan.cap_bytes,
        "arithmetic": plan.arithmetic,
        "rss_bytes": rss_bytes,
        "forkserver": _forkserver(pool.lean, pool),
        "full_forkserver": _forkserver(pool.full, pool),
        "templates": _templates(pool),
        "children": [_child(run) for run in runs if run.child],
        "sandbox": _sandbox(pool.lean),
        "trusted_models": list(trusted_models(settings.trusted_model_dir)),
        "aggressive_memory_management": settings.aggressive_memory_management,
        "gc_enabled": gc.isenabled(),
        "gc_counts": list(gc.get_count()),
    }


def point(pool: ProcessPool) -> dict[str, int]:
    """What the history keeps of one second."""
    samples = pool.watch.samples.values()
    return {
        "in_use_bytes": pool.watch.in_use_bytes,
        "family_bytes": pool.watch.family_bytes,
        "reserved_bytes": pool.budget.reserved,
        "children_bytes": sum(sample.pss_bytes for sample in samples),
        "children": len(samples),
        "largest_share_percent": max((100 * s.growth_bytes // max(1, s.cap_bytes) for s in samples), default=0),
    }


def _forkserver(forkserver: Stack, pool: ProcessPool) -> dict[str, Any] | None:
    """None while it is down."""
    if forkserver.forkserver is None:
        return None
    warm = forkserver.forkserver.warm
    return {
        "pid": warm.pid,
        "stack": forkserver.stack,
        "rss_bytes": warm.rss_bytes,
        "pss_bytes": pool.watch.own_pss_bytes.get(warm.pid, 0),
        "vm_size_bytes": warm.vm_size_bytes,
    }


def _sandbox(stack: Stack) -> dict[str, Any]:
    """Its layers, as the last forkserver that was up has found them."""
    return {"mode": stack.policy.mode, "active": stack.sandbox_active, "missing": stack.sandbox_missing}


def _templates(pool: ProcessPool) -> list[dict[str, Any]]:
    now = time.monotonic()
    return [
        {
            "pid": template.child.pid,
            "stack": template.stack,
            "model": template.model.name,
            "rss_bytes": pool.watch.of(template.child).rss_bytes,
            "pss_bytes": pool.watch.of(template.child).pss_bytes,
            "growth_bytes": template.growth_bytes,
            "children": template.users,
            "idle_s": 0.0 if template.users else round(now - template.idle_since, 1),
        }
        for template in pool.templates
    ]


def _child(run: Run) -> dict[str, Any]:
    assert run.child
    sample = run.sample
    return {
        "pid": run.child.pid,
        "job_id": run.job.job_id,
        "chunk": run.lease.chunk.id,
        "attempt": run.lease.chunk.attempts + 1,
        "loading": run.loading,
        "rss_bytes": sample.rss_bytes,
        "pss_bytes": sample.pss_bytes,
        "vm_size_bytes": sample.vm_size_bytes,
        "growth_bytes": sample.growth_bytes,
        "cap_bytes": sample.cap_bytes,
        "share_of_cap": round(sample.growth_bytes / max(1, sample.cap_bytes), 3),
        "age_s": round(run.seconds, 3),
    }
