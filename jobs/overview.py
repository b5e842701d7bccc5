"""What operators see: waiting jobs, leases and their owners, supervisors, how attempts ended. Used in the web process.

Looks and changes nothing. All ages are by Redis's clock. `of_queue` answers

    jobs          the next LISTED_JOBS in rotation: {job_id, status, pending, leased, age_s, waiting_s}
    jobs_total    how many jobs have pending chunks
    leases        the LISTED_LEASES that expire first: {job_id, chunk, owner, attempts, crashes, seconds_left};
                  below zero it is overdue for rescue
    leases_total  how many chunks are leased
    supervisors   {name, heard_s_ago, leased}; those that died without a word stay for heartbeats.FORGET_S

`waiting_s` is how long a job has had pending chunks and nobody who works on any of its chunks; 0 while somebody does.
"""

from typing import Any

import msgspec

from jobs import keys
from jobs.connection import RedisClient
from jobs.records import Chunk

LISTED_JOBS, LISTED_LEASES = 100, 1000


async def of_queue(redis: RedisClient) -> dict[str, Any]:
    """The document, in two round trips."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.lrange(keys.READY, 0, LISTED_JOBS - 1)
        pipe.llen(keys.READY)
        pipe.zrange(keys.LEASES, 0, LISTED_LEASES - 1, withscores=True)
        pipe.zcard(keys.LEASES)
        pipe.zrange(keys.SUPERVISORS, 0, -1, withscores=True)
        (seconds, micros), ready, jobs_total, leases, leases_total, supervisors = await pipe.execute()
    now = seconds + micros / 1e6
    job_ids = [raw.decode() for raw in ready]
    held = [tuple(raw.decode().split("/")) for raw, _ in leases]
    jobs, chunks, lists = await _details(redis, job_ids, held, [raw.decode() for raw, _ in supervisors])
    served = {job_id for job_id, _ in held}
    return {
        "jobs": [
            _job(job_id, pending, fields, job_id in served, now)
            for job_id, (pending, fields) in zip(job_ids, jobs, strict=True)
        ],
        "jobs_total": jobs_total,
        "leases": [_lease(lease, chunk, now) for lease, chunk in zip(leases, chunks, strict=True)],
        "leases_total": leases_total,
        "supervisors": [_supervisor(heard, leased, now) for heard, leased in zip(supervisors, lists, strict=True)],
    }


async def outcomes(redis: RedisClient) -> dict[str, int]:
    """Attempts by outcome, over all jobs."""
    counts = await redis.hgetall(keys.OUTCOMES)
    return {name.decode(): int(count) for name, count in counts.items()}


async def failures(redis: RedisClient) -> list[dict[str, Any]]:
    """The last attempts that did not succeed, newest first, each with its job_id."""
    return [msgspec.json.decode(raw) for raw in await redis.lrange(keys.FAILURES, 0, -1)]


async def _details(
    redis: RedisClient, job_ids: list[str], held: list[tuple[str, ...]], supervisors: list[str]
) -> tuple[list[Any], list[Any], list[Any]]:
    """For each job its pending chunks and times, for each lease its chunk, for each supervisor what it holds."""
    async with redis.pipeline(transaction=False) as pipe:
        for job_id in job_ids:
            pipe.llen(keys.pending(job_id))
            pipe.hmget(keys.job(job_id), "state", "created_at", "started_at", "served_at")
        for job_id, chunk_id in held:
            pipe.hget(keys.chunks(job_id), chunk_id)
        for name in supervisors:
            pipe.llen(keys.leased(name))
        found = await pipe.execute()
    of_jobs, of_leases = 2 * len(job_ids), 2 * len(job_ids) + len(held)
    return list(zip(found[:of_jobs:2], found[1:of_jobs:2], strict=True)), found[of_jobs:of_leases], found[of_leases:]


def _job(job_id: str, pending: int, fields: list[bytes | None], served: bool, now: float) -> dict[str, Any]:
    state, *times = fields
    known = [float(raw) for raw in times if raw] or [now]
    return {
        "job_id": job_id,
        "status": state.decode() if state else None,
        "pending": pending,
        "leased": served,
        "age_s": _age(now, known[0]),
        "waiting_s": 0.0 if served else _age(now, max(known)),
    }


def _lease(lease: tuple[bytes, float], raw: bytes | None, now: float) -> dict[str, Any]:
    member, deadline = lease
    job_id, chunk_id = member.decode().split("/")
    chunk = msgspec.json.decode(raw, type=Chunk) if raw else None
    return {
        "job_id": job_id,
        "chunk": chunk_id,
        "owner": chunk.owner if chunk else None,
        "attempts": chunk.attempts if chunk else None,
        "crashes": chunk.crashes if chunk else None,
        "seconds_left": round(deadline - now, 3),
    }


def _supervisor(heard: tuple[bytes, float], leased: int, now: float) -> dict[str, Any]:
    name, at = heard
    return {"name": name.decode(), "heard_s_ago": _age(now, at), "leased": leased}


def _age(now: float, then: float) -> float:
    return round(max(now - then, 0.0), 3)
