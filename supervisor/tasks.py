"""The daemon's asyncio tasks: repeated, waited for, ended. Runs in the supervisor; does not know what they do."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

CANCEL_AGAIN_S = 1.0


async def every(seconds: float, verb: Callable[[], Awaitable[object]]) -> None:
    """Do it, and again so many seconds after it was done; never returns."""
    while True:
        await verb()
        await asyncio.sleep(seconds)


async def until_done(work: asyncio.Task[None], background: set[asyncio.Task[None]]) -> None:
    """Until the work is done. A background task that broke must not be missed: raises what it raised."""
    waiting = {work, *background}
    while not work.done():
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


async def cancel(tasks: set[asyncio.Task[Any]]) -> None:
    """And see them end. A cancellation that arrives together with a reply can get lost, so it is sent again."""
    while tasks:
        for task in tasks:
            task.cancel()
        done, tasks = await asyncio.wait(tasks, timeout=CANCEL_AGAIN_S)
        for task in done:
            ignore(task)  # the first exception has been raised where it counts


def ignore(task: asyncio.Future[Any]) -> None:
    """How a call ends that nobody needs any more is no news, not even that Redis is away."""
    if not task.cancelled():
        task.exception()
