"""The link to Redis, on a clock of the test's own: what is said, how long is waited, what is given up and when."""

from typing import Any

import pytest
import structlog
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    OutOfMemoryError,
    RedisError,
    ResponseError,
    TimeoutError,
)

from supervisor.redis_link import FULL_S, HOLD_S, LONGEST_PAUSE_S, Denied, RedisLink

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class World:
    """A clock that sleeping moves, and a Redis that meets every call with the next error, None for an answer."""

    def __init__(self, *errors: RedisError | None) -> None:
        self.now = 100.0
        self.pauses: list[float] = []
        self.errors = list(errors)
        self.calls = 0
        self.link = RedisLink("redis://there", clock=lambda: self.now, sleep=self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)

    async def verb(self) -> str:
        self.calls += 1
        error = self.errors.pop(0) if len(self.errors) > 1 else self.errors[0]
        if error:
            raise error
        return "done"


async def test_a_periodic_task_is_tried_again_and_waits_longer_each_time() -> None:
    world = World(*[ConnectionError()] * 9, None)
    with structlog.testing.capture_logs() as lines:
        while await world.link.try_once(world.verb) is None:
            pass
    assert [line["event"] for line in lines] == ["redis_away", "redis_back"]
    assert world.pauses == pytest.approx([0.05 * 2**n for n in range(6)] + [LONGEST_PAUSE_S] * 3, rel=0.5)
    assert max(world.pauses) <= LONGEST_PAUSE_S
    assert world.link.away_s == world.link.last_outage_s == pytest.approx(sum(world.pauses))


async def test_what_belongs_to_an_attempt_is_retried() -> None:
    world = World(ConnectionError(), OutOfMemoryError(), TimeoutError(), None)
    assert await world.link.retry(world.verb) == "done"
    assert world.calls == 4


@pytest.mark.parametrize(("error", "patience"), [(ConnectionError(), HOLD_S), (OutOfMemoryError(), FULL_S)])
async def test_every_patience_has_an_end(error: RedisError, patience: float) -> None:
    world = World(error)
    with pytest.raises(type(error)):
        await world.link.retry(world.verb)
    assert patience <= world.now - 100.0 <= patience + LONGEST_PAUSE_S


async def test_what_time_does_not_mend_is_not_retried() -> None:
    world = World(ResponseError("ERR unknown command"))
    with pytest.raises(ResponseError):
        await world.link.retry(world.verb)
    assert (world.calls, world.pauses) == (1, [])


async def test_who_must_leave_does_not_retry() -> None:
    world = World(ConnectionError())
    world.link.leaving = True
    with pytest.raises(ConnectionError):
        await world.link.retry(world.verb)
    assert world.calls == 1


async def test_what_only_an_operator_can_mend_ends_a_periodic_task() -> None:
    world = World(AuthenticationError("WRONGPASS"))
    with pytest.raises(Denied, match="WRONGPASS"):
        await world.link.try_once(world.verb)


async def test_reads_of_parts_are_retried() -> None:
    world = World(ConnectionError(), None)

    class Part:
        size = 7

        async def read(self, offset: int, length: int) -> Any:
            return (await world.verb(), offset, length)

    (part,) = world.link.parts({"data": Part()}).values()
    assert part.size == 7
    assert await part.read(1, 2) == ("done", 1, 2)  # type: ignore[comparison-overlap]
