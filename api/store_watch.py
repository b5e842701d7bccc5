"""A look at the store now and then while bytes flow into it, as its memory may run out meanwhile. In the web process.

What is looked at, and what is too much, is for `admission` to say.
"""

from collections.abc import Awaitable, Callable

from jobs.blobs import BATCH_BYTES

CHECK_BYTES = BATCH_BYTES
"""That flow between two looks."""


class StoreWatch:
    """Of one flow of bytes."""

    def __init__(self, check: Callable[[], Awaitable[None]]) -> None:
        self._check = check
        self._unchecked = 0

    async def passed(self, size: int) -> None:
        """So many bytes more have. Raises what `check` raises."""
        self._unchecked += size
        if self._unchecked >= CHECK_BYTES:
            self._unchecked = 0
            await self._check()
