"""What a supervisor finds wrong with its Redis when it starts, said loudly once. Runs in the supervisor.

Redis may not let us look; then nothing is said. `/health` and `doctor` say the same when they are asked.
"""

import structlog

from jobs import store_policy
from jobs.connection import UNAVAILABLE, NoPermissionError, RedisClient, RedisError

log = structlog.get_logger()

OLDEST = 7


async def warn_of_redis(redis: RedisClient) -> bool:
    """Log an evicting policy and a version without the scripts that we need. Raises what says that Redis is away."""
    try:
        memory, server = await redis.info("memory"), await redis.info("server")
    except NoPermissionError:
        return True
    except UNAVAILABLE:
        raise
    except RedisError:
        return True
    if store_policy.evicts(policy := memory.get("maxmemory_policy")):
        log.error("redis_evicts", policy=policy, advice=store_policy.ADVICE)
    version = str(server.get("redis_version", OLDEST))
    if int(version.split(".", maxsplit=1)[0]) < OLDEST:
        log.error("redis_too_old", version=version, advice=f"Scripts need Redis {OLDEST} or newer, or Valkey.")
    return True
