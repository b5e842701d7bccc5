"""The store's part of `doctor`: is it there, does it let us in, will it keep what it is given, and who works on it.

Runs in the command's own process; what it writes to see whether it may is gone at once.
"""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import redis

from cli.tables import in_mb
from jobs import keys, store_policy
from jobs.access import ADVICE
from jobs.connection import NoPermissionError, Trouble, trouble
from jobs.rehearsal import rehearse_and_wait
from jobs.settings import Settings

PINGS = 20
SLOW_S = 0.02
TIMEOUT_S = 3.0
OLDEST = 7
NEARLY_FULL = 0.8
CLOCK_S = 5.0
_PROBE = "#!lua flags=allow-oom\nreturn redis.call('EXISTS', KEYS[1])"


class Finding(NamedTuple):
    """One line: what was looked at, how it is, and what to do about it where something is wrong."""

    name: str
    state: str
    advice: str = ""
    fatal: bool = False


def check_store(settings: Settings) -> Iterator[Finding]:
    """Everything about the store that REDIS_URL names."""
    client: Any = redis.Redis.from_url(settings.redis_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    name = f"store {settings.redis_address}"
    try:
        client.ping()
        yield _scripts(client, name)
        rehearse_and_wait(client)
        yield _channel(client)
        yield _latency(client)
        yield _clock(client)
        yield _policy(client)
        yield from _inside(client)
        yield _supervisors(client)
        yield from _callers(client, settings)
    except redis.RedisError as error:
        yield _refusal(name, error)
    finally:
        client.close()


def _refusal(name: str, error: redis.RedisError) -> Finding:
    if trouble(error) is Trouble.DENIED:
        return Finding(name, f"refuses us: {error}", ADVICE, fatal=True)
    if isinstance(error, redis.ConnectionError | redis.TimeoutError):
        return Finding(name, f"not reachable: {error}", "Start it, or correct REDIS_URL.", fatal=True)
    return Finding(name, f"takes no submission: {error}", "See what it says, and its log.", fatal=True)


def _scripts(client: Any, name: str) -> Finding:
    server = _info(client, "server")
    version = str(server.get("valkey_version") or server.get("redis_version") or "unknown")
    try:
        client.eval(_PROBE, 1, keys.JOBS)
    except redis.ResponseError as error:
        if trouble(error) is Trouble.DENIED:
            raise
        advice = f"Version {OLDEST} or newer is needed: scripts that finish jobs must run in a full store."
        return Finding(name, f"version {version}, runs no scripts of ours: {error}", advice, fatal=True)
    return Finding(name, f"reachable, version {version}")


def _channel(client: Any) -> Finding:
    try:
        client.publish(keys.ENDED_CHANNEL, "")
    except NoPermissionError:
        advice = "Callers who wait for a job hear of its end up to a second late: let this user use &shap:*."
        return Finding("store channel", f"{keys.ENDED_CHANNEL} is refused", advice)
    return Finding("store channel", keys.ENDED_CHANNEL)


def _latency(client: Any) -> Finding:
    started = time.perf_counter()
    for _ in range(PINGS):
        client.ping()
    seconds = (time.perf_counter() - started) / PINGS
    slow = "Every step of a job asks the store: put it nearer." if seconds > SLOW_S else ""
    return Finding("store latency", f"{seconds * 1000:.2f} ms", slow)


def _clock(client: Any) -> Finding:
    """Leases go by the store's clock alone; a difference only confuses those who compare logs."""
    before = time.time()
    seconds, micros = client.time()
    difference = seconds + micros / 1e6 - (before + time.time()) / 2
    advice = "Times in logs and on jobs will not agree: let both machines set their clocks by NTP."
    return Finding("store clock", f"{difference:+.3f} s from ours", advice if abs(difference) > CLOCK_S else "")


def _policy(client: Any) -> Finding:
    try:
        policy = client.config_get("maxmemory-policy")["maxmemory-policy"]
    except (redis.ResponseError, KeyError):
        policy = _info(client, "memory").get("maxmemory_policy", "unknown")
    return Finding("store policy", str(policy), store_policy.ADVICE if store_policy.evicts(policy) else "")


def _inside(client: Any) -> Iterator[Finding]:
    memory, persistence = _info(client, "memory"), _info(client, "persistence")
    if memory:
        used, most = int(memory["used_memory"]), int(memory.get("maxmemory") or 0)
        full = bool(most) and used > NEARLY_FULL * most
        advice = (
            "Uploads will be refused soon: a larger store, a shorter JOB_TTL_S, or `repair` for what is left behind."
        )
        yield Finding(
            "store memory", in_mb(used) + (f" of {in_mb(most)}" if most else ", no limit"), advice if full else ""
        )
    if persistence:
        kept = bool(persistence.get("aof_enabled"))
        advice = "Jobs are lost when it restarts, or those of the last minutes. Set appendonly to yes."
        yield Finding("store persistence", "appendonly" if kept else "no appendonly file", "" if kept else advice)
        broken = persistence.get("aof_last_write_status", "ok") != "ok"
        if broken:
            yield Finding("store disk", "the last write failed", "It refuses all writes then: see its log.", fatal=True)


def _supervisors(client: Any) -> Finding:
    names = [name.decode() for name in client.zrange(keys.SUPERVISORS, 0, -1)]
    alive = [name for name in names if client.exists(keys.snapshot(name))]
    waiting = sum(client.llen(keys.own(keys.READY, name)) for name in _names(client))
    state = f"{len(alive)} with a heartbeat" + (f"; {waiting} job(s) wait" if waiting else "")
    return Finding("supervisors", state, "Nobody works on them: start a worker." if waiting and not alive else "")


def _callers(client: Any, settings: Settings) -> Iterator[Finding]:
    """What each has that has a name, and the unnamed one beside them."""
    names = _names(client)
    for name in names if len(names) > 1 else []:
        counted = [int(raw or 0) for raw in client.hmget(f"{keys.CALLER_PREFIX}{name}", "jobs", "bytes")]
        ready = client.llen(keys.own(keys.READY, name))
        state = f"{counted[0]} job(s) that have not ended, {ready} of them wait; {in_mb(counted[1])} in the store"
        most = {"CALLER_WAITING_JOBS": settings.caller_waiting_jobs, "CALLER_STORED_MB": settings.caller_stored_bytes}
        near = [
            quota for (quota, limit), has in zip(most.items(), counted, strict=True) if has > NEARLY_FULL * limit > 0
        ]
        advice = f"It nears {' and '.join(near)}, and is refused more then: see /admin/queue." if near else ""
        yield Finding(f"caller {name or 'without a name'}", state, advice)


def _names(client: Any) -> list[str]:
    """Callers; the unnamed one's is empty."""
    return ["", *sorted(name.decode() for name in client.smembers(keys.CALLERS))]


def _info(client: Any, section: str) -> dict[str, Any]:
    """Empty where this user may not ask."""
    try:
        found: dict[str, Any] = client.info(section)
    except redis.ResponseError:
        return {}
    return found
