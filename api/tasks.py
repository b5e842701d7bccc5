"""Ending tasks that live as long as the web process."""

import asyncio

CANCEL_S = 0.5


async def end(task: asyncio.Task[None]) -> None:
    """redis-py swallows a cancellation that meets it while it connects: repeat until it is heard."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_S)
