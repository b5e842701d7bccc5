"""Looks for contradictions in the store, and repairs them. Used by the command `repair`, on a store at work or at rest.

Each job, and then each caller, is looked at and repaired by one script, so that nothing changes in between. What a
rescue can give back is only made due for one, because a rescue counts. A job whose record cannot be read ends as
failed, under a record that can. Does not read uploads or values.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from jobs import keys
from jobs.connection import RedisError, Trouble, is_of_another_type, trouble
from jobs.errors import UnreadableRecord
from jobs.heartbeats import FORGET_S
from jobs.records import job_from_hash, json_text
from jobs.scripts import source
from jobs.states import ENDED, JobState

MEANINGS = {
    "not_held": "an entry in a supervisor's list without a chunk that it holds",
    "lease_of_nothing": "a lease without a chunk under it",
    "unreadable": "a record that cannot be read: edited, partly lost, or of another version; its job ends as failed",
    "no_record": "remains of a job whose record is gone",
    "not_ready": "in rotation without chunks that wait",
    "unburied": "a chunk of an ended job that is neither done nor dead",
    "surplus": "a key that an ended job should not have any more",
    "no_ttl": "a key of an ended job that never expires",
    "not_pending": "waits in the list, but its record says otherwise",
    "not_queued": "its record says that it waits, but no list holds it",
    "not_in_list": "leased, but missing in its supervisor's list",
    "no_deadline": "leased without a deadline: nobody would ever rescue it",
    "foreign_lease": "leased by a supervisor that sends no heartbeat",
    "miscounted": "a counter that differs from what there is",
    "not_closed": "every chunk is done, and nobody was told to sum up",
    "stuck": "no chunk is left that could go on: the job ends as failed",
    "not_in_rotation": "chunks wait, but the job is not in rotation",
    "expires": "a key of a living job that expires",
    "not_listed": "missing in the list of jobs",
    "kept_nothing": "a caller is charged for a result that is gone",
    "unknown_caller": "has jobs, and is missing in the list of callers",
    "no_turn": "a caller whose jobs wait, and no slot would ever come to",
    "orphaned_blob": "an upload that belongs to no living job",
    "unused_key": "an idempotency key that never expires",
    "silent_supervisor": "listed without a heartbeat",
}
"""Every finding by its code."""


class Finding(NamedTuple):
    """One contradiction: its code, where, and of which job ("" for none)."""

    code: str
    detail: str
    job_id: str = ""

    @property
    def meaning(self) -> str:
        return MEANINGS[self.code]


class Audit:
    """One look over a whole store. `redis` is a client of redis-py that waits; `apply` repairs what is found."""

    def __init__(self, redis: Any, *, job_ttl_s: int, apply: bool = False) -> None:
        self._redis = redis
        self._job_ttl_s = job_ttl_s
        self._apply = apply
        self._repair = redis.register_script(source("repair"))
        self._recount = redis.register_script(source("recount"))

    def run(self) -> list[Finding]:
        """Uploads first: one that was taken over meanwhile belongs to a job that is seen afterwards."""
        blobs = self._lasting(f"{keys.BLOB_PREFIX}*")
        seen = self._seen_elsewhere()
        jobs = sorted(self._job_ids() | set(seen))
        found = [finding for job_id in jobs for finding in self._look_at(job_id, seen[job_id])]
        found += [finding for name, ids in self._by_caller(jobs).items() for finding in self._count(name, ids)]
        surplus = {finding.detail.encode() for finding in found}
        found += self._orphaned_blobs([blob for blob in blobs if blob not in surplus], jobs)
        found += self._unlink("unused_key", self._lasting(keys.idempotency("*")))
        return found + self._silent_supervisors()

    def _seen_elsewhere(self) -> dict[str, dict[str, Any]]:
        """What lists that belong to no job say of each job."""
        seen: dict[str, dict[str, Any]] = defaultdict(lambda: {"owned": [], "leases": [], "silent": {}, "ready": []})
        for key in self._redis.scan_iter(keys.leased("*"), count=1000):
            owner = key.decode().removeprefix(keys.SUPERVISOR_PREFIX).removesuffix(":leased")
            silent = not self._redis.exists(keys.snapshot(owner))
            for member in self._redis.lrange(key, 0, -1):
                job_id, chunk = member.decode().split("/")
                seen[job_id]["owned"].append([owner, chunk])
                seen[job_id]["silent"][owner] = silent
        for member in self._redis.zrange(keys.LEASES, 0, -1):
            job_id, chunk = member.decode().split("/")
            seen[job_id]["leases"].append(chunk)
        for caller in ["", *self._callers()]:
            for job_id in self._redis.lrange(keys.own(keys.READY, caller), 0, -1):
                seen[job_id.decode()]["ready"].append(caller)
        return seen

    def _callers(self) -> list[str]:
        """Those that have a name."""
        return sorted(name.decode() for name in self._redis.smembers(keys.CALLERS))

    def _by_caller(self, job_ids: list[str]) -> dict[str, list[str]]:
        """Every caller's jobs."""
        found: dict[str, list[str]] = {name: [] for name in ("", *self._callers())}
        with self._redis.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hget(keys.job(job_id), "caller")
            for job_id, name in zip(job_ids, pipe.execute(raise_on_error=False), strict=True):
                known = name.decode(errors="replace") if isinstance(name, bytes) else ""
                found.setdefault(known, []).append(job_id)
        return found

    def _count(self, caller: str, job_ids: list[str]) -> list[Finding]:
        arguments = ["", caller, "apply" if self._apply else "", json_text(job_ids)]
        found = self._recount(keys=[*keys.of_job(""), keys.MODELS], args=arguments)
        return [Finding(*raw.decode().split(" ", 1)) for raw in found]

    def _job_ids(self) -> set[str]:
        start = len(keys.job(""))
        return {key.decode()[start:].split(":")[0] for key in self._redis.scan_iter(keys.job("*"), count=1000)}

    def _look_at(self, job_id: str, seen: dict[str, Any]) -> list[Finding]:
        reason = self._unreadable(job_id)
        if reason is None:
            try:
                return self._contradictions(job_id, seen)
            except RedisError as error:  # the script has met what it does not expect
                if trouble(error) is not Trouble.FAULT:
                    raise
                reason = str(error)
        found = [Finding("unreadable", reason, job_id)]
        if not self._apply:
            return found
        self._bury(job_id)
        return found + self._contradictions(job_id, seen)

    def _contradictions(self, job_id: str, seen: dict[str, Any]) -> list[Finding]:
        arguments = [job_id, self._job_ttl_s, "apply" if self._apply else "", json_text(seen)]
        found = self._repair(keys=keys.of_job(job_id), args=arguments)
        parts = [raw.decode().split(" ", 1) for raw in found]
        return [Finding(code, detail, job_id) for code, detail in parts]

    def _unreadable(self, job_id: str) -> str | None:
        """Why a job's record cannot be read."""
        try:
            job_from_hash(self._redis.hgetall(keys.job(job_id)))
        except UnreadableRecord as problem:
            return str(problem.detail["reason"])
        except RedisError as error:
            if not is_of_another_type(error):
                raise
            return str(error)
        return None

    def _bury(self, job_id: str) -> None:
        """A failed job in the place of what cannot be read. What else there is of it, the next look takes away."""
        caller = self._field(job_id, "caller").decode(errors="replace")
        parts = [keys.chunks, keys.pending, keys.attempts, keys.values, keys.results, keys.partials, keys.sample]
        now = self._redis.time()[0]
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.unlink(keys.job(job_id), *(part(job_id) for part in parts))
            pipe.hset(keys.job(job_id), mapping=_buried(job_id, caller, now))
            pipe.expire(keys.job(job_id), 2 * self._job_ttl_s)
            pipe.zadd(keys.own(keys.JOBS, caller), {job_id: now}, nx=True)
            pipe.execute()

    def _field(self, job_id: str, name: str) -> bytes:
        """Empty where there is none, or no record that has fields."""
        try:
            return self._redis.hget(keys.job(job_id), name) or b""
        except RedisError as error:
            if not is_of_another_type(error):
                raise
            return b""

    def _lasting(self, pattern: str) -> list[bytes]:
        """Keys that never expire."""
        names = list(self._redis.scan_iter(pattern, count=1000))
        with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.ttl(name)
            return [name for name, ttl in zip(names, pipe.execute(), strict=True) if ttl == -1]

    def _orphaned_blobs(self, blobs: list[bytes], jobs: Iterable[str]) -> list[Finding]:
        used: set[bytes] = set()
        for job_id in jobs:
            if self._field(job_id, "state").decode(errors="replace") not in {*ENDED, ""}:
                used |= {keys.blob(name).encode() for name in _names(self._field(job_id, "blobs"))}
        free = [blob for blob in blobs if blob not in used and not self._is_registered(blob)]
        return self._unlink("orphaned_blob", free)

    def _is_registered(self, blob: bytes) -> bool:
        """A registered model stays until it is deleted, and with the last job that uses it."""
        return any(count is not None for count in self._redis.hmget(blob, "registered", "users"))

    def _unlink(self, code: str, names: list[bytes]) -> list[Finding]:
        if names and self._apply:
            self._redis.unlink(*names)
        return [Finding(code, name.decode()) for name in names]

    def _silent_supervisors(self) -> list[Finding]:
        long_ago = self._redis.time()[0] - FORGET_S
        names = [name.decode() for name in self._redis.zrangebyscore(keys.SUPERVISORS, "-inf", long_ago)]
        silent = [name for name in names if not self._redis.exists(keys.snapshot(name))]
        if silent and self._apply:
            self._redis.zrem(keys.SUPERVISORS, *silent)
        return [Finding("silent_supervisor", name) for name in silent]


def _buried(job_id: str, caller: str, now: int) -> dict[str, str | int]:
    """The fields of the record that stands in the place of one that cannot be read."""
    message = "The record of this job was damaged in the store; submit it again."
    return {
        "job_id": job_id,
        "state": JobState.FAILED.value,
        "caller": caller,
        "created_at": now,
        "ended_at": now,
        "options": "{}",
        "inputs": "{}",
        "blobs": "[]",
        "error": json_text({"code": "store_damaged", "message": message}),
    }


def _names(raw: bytes) -> list[str]:
    """A list of names; none where it is none."""
    try:
        return msgspec.json.decode(raw or b"[]", type=list[str])
    except (msgspec.MsgspecError, ValueError):
        return []
