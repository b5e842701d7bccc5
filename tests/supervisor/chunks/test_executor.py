"""What an attempt's end asks for, played without a store. The pipeline as a whole: see `tests/supervisor`."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog
from redis.exceptions import ConnectionError, ResponseError

from jobs.outcomes import Attempt
from jobs.protocol import Explain, Failed
from jobs.queue import Decision, Lease
from jobs.records import Chunk
from jobs.settings import Settings
from supervisor.chunks.executor import Executor
from supervisor.chunks.judge import Ending
from supervisor.redis_link import RedisLink
from tests.supervisor.chunks.test_run import run_of

pytestmark = pytest.mark.anyio


class Pool:
    """The next child gets a whole cap, which is only said once."""

    def __init__(self) -> None:
        self.narrow = True

    def widen(self, key: str) -> bool:
        was, self.narrow = self.narrow, False
        return was


class Queue:
    supervisor = "sup"

    def __init__(self) -> None:
        self.settled: list[Decision] = []

    async def settle(self, lease: Lease, attempt: Attempt, decision: Decision) -> bool:
        self.settled.append(decision)
        if len(self.settled) == 1:
            raise ConnectionError
        return True


async def test_what_has_to_be_written_twice_is_the_same_both_times() -> None:
    queue, run = Queue(), run_of()
    run.pool = cast("Any", Pool())

    async def sleep(seconds: float) -> None: ...

    executor = Executor(cast("Any", queue), Settings(), RedisLink("redis://there", sleep=sleep))
    ending = Ending(message=Failed(kind="memory", code="memory_cap", message="MemoryError"))
    await executor._commit(run, ending)
    assert [decision.action for decision in queue.settled] == ["retry", "retry"]


async def test_a_store_that_refuses_what_we_ask_costs_the_attempt_and_nothing_else() -> None:
    """The chunk's lease expires, and it is rescued."""

    async def partial_sizes(job_id: str) -> list[int]:
        raise ResponseError("WRONGTYPE")

    queue: Any = SimpleNamespace(supervisor="sup", partial_sizes=partial_sizes)
    executor = Executor(queue, Settings(), RedisLink("redis://there"))
    job = SimpleNamespace(job_id="a-job", model="a model", layout="a layout", traceparent=None)
    lease: Any = SimpleNamespace(job=job, job_id="a-job", token=7, chunk=Chunk(id="close", kind="close"))
    with structlog.testing.capture_logs() as logs:
        await executor.run(lease, cast("Any", Pool()))
    assert [line["event"] for line in logs if line["event"] == "attempt_not_committed"] == ["attempt_not_committed"]
    assert executor.running == {}


def test_a_child_is_told_how_many_rows_the_job_has() -> None:
    """Which of them are kept to be shown depends on it."""
    executor, run = Executor(cast("Any", Queue()), Settings(), RedisLink("redis://there")), run_of()
    for rows in (None, 7):
        run.job.rows = rows
        request = executor._request(run, {}, b"")
        assert isinstance(request, Explain)
        assert request.rows == (rows or 0)


async def test_a_job_whose_record_cannot_be_read_ends_at_once() -> None:
    """It is no loss of a supervisor, and is not tried again."""
    queue: Any = Queue()
    queue.settled.append(Decision(action="retry", counts=""))  # so that the store answers at once
    fields = {b"job_id": b"a-job", b"state": b"started", b"options": b"{"}
    lease = Lease(job_id="a-job", chunk=Chunk(id="open", kind="open", token=7), fields=fields)
    executor = Executor(queue, Settings(), RedisLink("redis://there"))
    await executor.run(lease, cast("Any", Pool()))
    decision = queue.settled[-1]
    assert (decision.action, decision.counts, decision.error.code) == ("fail", "", "unreadable_record")
    assert executor.running == {}
