"""What an attempt that breaks off leaves behind, played without a store."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from jobs.records import Chunk
from supervisor.leasing import Leasing

pytestmark = pytest.mark.anyio


async def test_a_fault_of_ours_is_told_and_the_chunk_given_back() -> None:
    released: list[bool] = []

    async def run(*_: Any) -> None:
        raise ZeroDivisionError

    def release(_: Any, *, begun: bool) -> None:
        released.append(begun)

    lease: Any = SimpleNamespace(job_id="a-job", chunk=Chunk(id="0-4", kind="rows"))
    held: Any = SimpleNamespace(release=release)
    shutdown: Any = SimpleNamespace(stopping=asyncio.Event(), aborting=asyncio.Event())
    nobody: Any = None
    slots = asyncio.Semaphore(0)
    leasing = Leasing(nobody, nobody, held, SimpleNamespace(run=run), shutdown, burst=False)  # type: ignore[arg-type]
    with structlog.testing.capture_logs() as logs:
        await leasing._attempt(lease, nobody, slots)
    (line,) = logs
    assert (line["event"], line["job_id"], line["chunk"]) == ("attempt_broke_off", "a-job", "0-4")
    assert released == [True]
    assert not slots.locked(), "there is room for another"
