"""Whether Redis lets us in at all, asked once before a process starts. Used by the web process and by commands.

Only what an operator must mend counts: a Redis that is away comes back, and is waited for elsewhere.
"""

import redis

from jobs import keys
from jobs.connection import Trouble, trouble
from jobs.rehearsal import rehearse_and_wait
from jobs.settings import Settings

TIMEOUT_S = 2.0
_PROBE = "return redis.call('EXISTS', KEYS[1])"
ADVICE = (
    "Correct user and password in REDIS_URL (in them @ is written %40, / %2F, # %23 and : %3A), or what that user may "
    "do: it needs all commands on shap:* (ACL SETUSER <user> ~shap:* &shap:* +@all)."
)


def access_denied(settings: Settings) -> str | None:
    """Why Redis refuses us: a wrong password, or commands that this user may not run; None when it does not."""
    client = redis.Redis.from_url(settings.redis_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    try:
        client.eval(_PROBE, 1, keys.JOBS)
        rehearse_and_wait(client)
    except redis.RedisError as error:
        if trouble(error) is Trouble.DENIED:
            return f"Redis at {settings.redis_address} refuses us: {error}. {ADVICE}"
        return None
    finally:
        client.close()
    return None
