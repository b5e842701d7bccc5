"""Tasks that are repeated, waited for and cancelled."""

import asyncio

import pytest

from supervisor import tasks
from supervisor.tasks import cancel, every, ignore, until_done

pytestmark = pytest.mark.anyio


async def for_ever() -> None:
    await asyncio.Event().wait()


async def fails() -> None:
    raise ValueError("as told")


async def test_what_is_periodic_is_done_at_once_and_again() -> None:
    done = []
    repeated = asyncio.create_task(every(0.0, lambda: asyncio.sleep(0, done.append(len(done)))))
    for _ in range(20):
        await asyncio.sleep(0)
    assert done[:3] == [0, 1, 2]
    assert not repeated.done()
    await cancel({repeated})


async def test_the_pause_is_kept() -> None:
    done = []
    repeated = asyncio.create_task(every(3600.0, lambda: asyncio.sleep(0, done.append(len(done)))))
    for _ in range(20):
        await asyncio.sleep(0)
    assert done == [0]
    await cancel({repeated})


async def test_until_the_work_is_done_others_may_end() -> None:
    once, endless = asyncio.create_task(asyncio.sleep(0)), asyncio.create_task(for_ever())
    work = asyncio.create_task(asyncio.sleep(0.01))
    async with asyncio.timeout(10):
        await until_done(work, {once, endless})
    assert (work.done(), once.done(), endless.done()) == (True, True, False)
    await cancel({endless})


async def test_what_breaks_in_the_background_is_raised() -> None:
    work = asyncio.create_task(for_ever())
    async with asyncio.timeout(10):
        with pytest.raises(ValueError, match="as told"):
            await until_done(work, {asyncio.create_task(fails())})
    assert not work.done()
    await cancel({work})


async def test_what_the_work_raises_is_raised() -> None:
    async with asyncio.timeout(10):
        with pytest.raises(ValueError, match="as told"):
            await until_done(asyncio.create_task(fails()), set())


async def test_a_cancellation_that_gets_lost_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "CANCEL_AGAIN_S", 0.01)
    lost = []

    async def stubborn() -> None:
        while len(lost) < 2:
            try:
                await for_ever()
            except asyncio.CancelledError:
                lost.append(len(lost))
        await for_ever()

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await cancel({task, asyncio.create_task(fails())})
    assert task.cancelled()
    assert lost == [0, 1]


async def test_how_it_ended_is_no_news() -> None:
    failed, cancelled = asyncio.create_task(fails()), asyncio.create_task(for_ever())
    cancelled.cancel()
    await asyncio.wait({failed, cancelled})
    ignore(failed)
    ignore(cancelled)
    assert not failed._log_traceback  # type: ignore[attr-defined]
