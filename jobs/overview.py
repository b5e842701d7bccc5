"""What operators see: waiting jobs, leases and their owners, supervisors, how attempts ended. Used in the web process;
supervisors count the jobs that wait.

Looks and changes nothing. All ages are by Redis's clock. `of_queue` answers

    jobs          the next LISTED_JOBS in rotation: {job_id, caller, status, pending, leased, age_s, waiting_s}; callers
                  take turns ("" is the unnamed one)
    jobs_total    how many jobs have pending chunks
    callers       those with pending chunks, whose turn comes first first: {caller, jobs, waiting_s}; the longest of
                  those listed here
    leases        the LISTED_LEASES that expire first: {job_id, chunk, owner, attempts, crashes, seconds_left};
                  below zero it is overdue for rescue
    leases_total  how many chunks are leased
    supervisors   {name, heard_s_ago, leased}; those that died without a word stay for heartbeats.FORGET_S

`waiting_s` is how long a job has had pending chunks and nobody who works on any of its chunks; 0 while somebody does.
`of_callers` answers for every caller what it has: {caller, jobs, bytes}, jobs that have not ended.
"""

import math
from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

import msgspec

from jobs import keys
from jobs.connection import RedisClient
from jobs.records import chunk_from
from jobs.scripts import source

LISTED_JOBS, LISTED_LEASES = 100, 1000


async def of_queue(redis: RedisClient) -> dict[str, Any]:
    """The document, in four round trips."""
    turns = await _turns(redis)
    async with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.zrange(keys.LEASES, 0, LISTED_LEASES - 1, withscores=True)
        pipe.zcard(keys.LEASES)
        pipe.zrange(keys.SUPERVISORS, 0, -1, withscores=True)
        (seconds, micros), leases, leases_total, supervisors = await pipe.execute()
    now = seconds + micros / 1e6
    waiting = await _in_rotation(redis, turns)
    job_ids = [job_id for _, job_id in waiting]
    held = [tuple(raw.decode().split("/")) for raw, _ in leases]
    jobs, chunks, lists = await _details(redis, job_ids, held, [raw.decode() for raw, _ in supervisors])
    served = {job_id for job_id, _ in held}
    listed = [
        _job(caller, job_id, found, job_id in served, now)
        for (caller, job_id), found in zip(waiting, jobs, strict=True)
    ]
    return {
        "jobs": listed,
        "jobs_total": sum(turns.values()),
        "callers": [_caller(name, count, listed) for name, count in turns.items()],
        "leases": [_lease(lease, chunk, now) for lease, chunk in zip(leases, chunks, strict=True)],
        "leases_total": leases_total,
        "supervisors": [_supervisor(heard, leased, now) for heard, leased in zip(supervisors, lists, strict=True)],
    }


async def waiting(redis: RedisClient) -> int:
    """How many jobs have pending chunks, in two round trips."""
    return sum((await _turns(redis)).values())


async def of_callers(redis: RedisClient) -> list[dict[str, Any]]:
    """What each has now, the unnamed one first."""
    account = redis.register_script(source("account"))
    names = [raw.decode() for raw in await redis.smembers(keys.CALLERS)]
    found = [(name, await account(args=["", name])) for name in ("", *sorted(names))]
    return [{"caller": name, "jobs": jobs, "bytes": size} for name, (jobs, size) in found]


async def outcomes(redis: RedisClient) -> dict[str, int]:
    """Attempts by outcome, over all jobs."""
    counts = await redis.hgetall(keys.OUTCOMES)
    return {name.decode(): int(count) for name, count in counts.items()}


async def failures(redis: RedisClient) -> list[dict[str, Any]]:
    """The last attempts that did not succeed, newest first, each with its job_id."""
    found = (_failure(raw) for raw in await redis.lrange(keys.FAILURES, 0, -1))
    return [failure for failure in found if failure]


def _failure(raw: bytes) -> dict[str, Any] | None:
    """None where it cannot be read: the others can."""
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


async def _turns(redis: RedisClient) -> dict[str, int]:
    """How many jobs of each caller are ready, in the order of their turns."""
    names = [raw.decode() for raw in await redis.lrange(keys.TURNS, 0, -1)]
    names = list(dict.fromkeys([*names, ""]))  # what an older version has queued has no turn yet
    async with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.llen(keys.own(keys.READY, name))
        counts = await pipe.execute()
    return {name: count for name, count in zip(names, counts, strict=True) if count}


async def _in_rotation(redis: RedisClient, names: Iterable[str]) -> list[tuple[str, str]]:
    """Caller and job, the next LISTED_JOBS."""
    async with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.lrange(keys.own(keys.READY, name), 0, LISTED_JOBS - 1)
        lists = await pipe.execute()
    own = [[(name, raw.decode()) for raw in ids] for name, ids in zip(names, lists, strict=True)]
    return [job for turn in zip_longest(*own) for job in turn if job][:LISTED_JOBS]


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


def _job(caller: str, job_id: str, found: tuple[int, list[bytes | None]], served: bool, now: float) -> dict[str, Any]:
    pending, (state, *times) = found
    known = [seconds for raw in times if raw and (seconds := _seconds(raw)) is not None] or [now]
    return {
        "job_id": job_id,
        "caller": caller,
        "status": state.decode(errors="replace") if state else None,
        "pending": pending,
        "leased": served,
        "age_s": _age(now, known[0]),
        "waiting_s": 0.0 if served else _age(now, max(known)),
    }


def _caller(name: str, count: int, listed: list[dict[str, Any]]) -> dict[str, Any]:
    longest = max((job["waiting_s"] for job in listed if job["caller"] == name), default=0.0)
    return {"caller": name, "jobs": count, "waiting_s": longest}


def _lease(lease: tuple[bytes, float], raw: bytes | None, now: float) -> dict[str, Any]:
    member, deadline = lease
    job_id, chunk_id = member.decode().split("/")
    chunk = chunk_from(raw)
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


def _seconds(raw: bytes) -> float | None:
    """None where a record says something else."""
    try:
        found = float(raw)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _age(now: float, then: float) -> float:
    return round(max(now - then, 0.0), 3)
