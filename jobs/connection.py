"""Redis clients with the settings that have proved right. Used by the web process and the supervisor.

Two kinds: one for commands, which retries what failed to connect, and one for blocking calls, which never re-sends,
because a blocking move whose reply is lost has happened nevertheless.
"""

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from jobs.settings import Settings

COMMAND_TIMEOUT_S = 5.0
BLOCK_S = 1.0
"""The longest that a blocking call waits, well below its connection's timeout."""

RedisClient = Any
"""A `redis.asyncio.Redis`. Its replies are typed `bytes | str` whatever the client was told, so nothing is gained by
naming the class: ours always answer bytes."""
UNAVAILABLE = (RedisConnectionError, RedisTimeoutError, ReadOnlyError)
__all__ = [
    "BLOCK_S",
    "UNAVAILABLE",
    "OutOfMemoryError",
    "RedisClient",
    "RedisConnectionError",
    "RedisError",
    "connect",
    "connect_blocking",
]


def connect(settings: Settings) -> RedisClient:
    """A client for commands. Every script of ours may be sent twice without harm: each checks a token or an id."""
    return _client(settings, Retry(ExponentialWithJitterBackoff(cap=0.5, base=0.05), 3))


def connect_blocking(settings: Settings) -> RedisClient:
    """A client for calls that block up to BLOCK_S, and for subscriptions."""
    return _client(settings, Retry(NoBackoff(), 0))


def _client(settings: Settings, retry: Retry) -> RedisClient:
    return Redis.from_url(
        settings.redis_url,
        health_check_interval=settings.redis_health_check_interval,
        socket_timeout=COMMAND_TIMEOUT_S,
        socket_connect_timeout=COMMAND_TIMEOUT_S,
        retry=retry,
    )
