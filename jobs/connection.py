"""Redis clients with the settings that have proved right. Used by the web process and the supervisor.

Two kinds: one for commands, which retries what failed to connect, and one for blocking calls, which never re-sends,
because a blocking move whose reply is lost has happened nevertheless.
"""

import asyncio
from enum import StrEnum
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.driver_info import DriverInfo
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from jobs.settings import Settings

COMMAND_TIMEOUT_S = 5.0
IDLE_S = 1.0
"""Connections that were idle for so long are closed,"""
KEPT_CONNECTIONS = 2
"""but for so many."""
MOST_CONNECTIONS = 32
"""Of one client. A further command waits for one of these: the smallest plans of a Redis allow 50 in all."""
BLOCK_S = 1.0
"""The longest that a blocking call waits, well below its connection's timeout."""

RedisClient = Any
"""A `redis.asyncio.Redis`. Its replies are typed `bytes | str` whatever the client was told, so nothing is gained by
naming the class: ours always answer bytes."""
UNAVAILABLE = (RedisConnectionError, RedisTimeoutError, ReadOnlyError, NoPermissionError)
DENIED = (AuthenticationError, AuthorizationError, NoPermissionError)
_DENIED_IN_SCRIPT = "ACL failure in script"
"""How a script says what NOPERM says elsewhere."""
_PASSING = ("UNBLOCKED", "MISCONF", "NOREPLICAS", "MASTERDOWN", "BUSY", "TRYAGAIN", "CLUSTERDOWN")
"""Refusals that end by themselves: while a replica takes over, a disk is full, or a foreign script runs."""
__all__ = [
    "BLOCK_S",
    "DENIED",
    "UNAVAILABLE",
    "NoPermissionError",
    "OutOfMemoryError",
    "RedisClient",
    "RedisConnectionError",
    "RedisError",
    "Trouble",
    "connect",
    "connect_blocking",
    "is_of_another_type",
    "trouble",
]


class Trouble(StrEnum):
    """What an error of Redis means for whoever met it."""

    AWAY = "away"  # no connection, no answer, or not the primary at present: try again
    FULL = "full"  # it answers, and takes no new data
    DENIED = "denied"  # wrong password, or commands that this user may not run: only an operator can mend it
    FAULT = "fault"  # it does not understand us: too old, or a mistake of ours


def trouble(error: RedisError) -> Trouble:
    """Classify; pure."""
    if isinstance(error, DENIED) or str(error).startswith(_DENIED_IN_SCRIPT):
        return Trouble.DENIED
    if isinstance(error, OutOfMemoryError):
        return Trouble.FULL
    if isinstance(error, UNAVAILABLE) or (isinstance(error, ResponseError) and str(error).startswith(_PASSING)):
        return Trouble.AWAY
    return Trouble.FAULT


def is_of_another_type(error: RedisError) -> bool:
    """Whether a key holds something else than what we keep there."""
    return str(error).startswith("WRONGTYPE")


def connect(settings: Settings) -> RedisClient:
    """A client for commands. Every script of ours may be sent twice without harm: each checks a token or an id."""
    return _client(settings, Retry(ExponentialWithJitterBackoff(cap=0.5, base=0.05), 3))


def connect_blocking(settings: Settings) -> RedisClient:
    """A client for calls that block up to BLOCK_S, and for subscriptions."""
    return _client(settings, Retry(NoBackoff(), 0))


class _ShrinkingPool(BlockingConnectionPool):
    """Closes idle connections: redis-py's own pool keeps whatever a crowd of commands has opened.

    It hands out the connection that came back last, so those that nobody needs lie at the bottom.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._idle = 0
        """How many have not been handed out since the last look."""
        self._next_look: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def ensure_connection(self, connection: Any) -> None:
        """Of each that is handed out, right then."""
        self._idle = min(self._idle, len(self._available_connections))
        if self._next_look is None:
            self._next_look = asyncio.get_running_loop().call_later(IDLE_S, self._close_idle)
        await super().ensure_connection(connection)

    def _close_idle(self) -> None:
        free = self._available_connections
        count = min(self._idle, max(0, len(free) - KEPT_CONNECTIONS))
        for connection in free[:count]:
            self._closing.add(closing := asyncio.create_task(connection.disconnect()))
            closing.add_done_callback(self._closing.discard)
        del free[:count]
        self._idle = len(free)
        more = len(free) + len(self._in_use_connections) > KEPT_CONNECTIONS  # what is in use comes back
        self._next_look = asyncio.get_running_loop().call_later(IDLE_S, self._close_idle) if more else None


def _client(settings: Settings, retry: Retry) -> RedisClient:
    pool = _ShrinkingPool.from_url(
        settings.redis_url,
        max_connections=MOST_CONNECTIONS,
        timeout=COMMAND_TIMEOUT_S,
        retry_on_error=[ReadOnlyError],  # a connection to what is now a replica must be given up
        health_check_interval=settings.redis_health_check_interval,
        socket_timeout=COMMAND_TIMEOUT_S,
        socket_connect_timeout=COMMAND_TIMEOUT_S,
        driver_info=DriverInfo(),  # else each connection reads the version from the disk
        retry=retry,
    )
    return Redis.from_pool(pool)
