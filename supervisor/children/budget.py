"""The children's share of the memory, and who holds how much of it. Runs on the supervisor's event loop.

What does not fit waits its turn; what is idle makes room. Counts promises (caps), not what is in use: see `watch`.
"""

import asyncio
from collections.abc import Awaitable, Callable

Need = Callable[[], int]
"""The bytes wanted, asked again after every change."""
MakeRoom = Callable[[], Awaitable[bool]]
"""Lets go of something idle; False when there is nothing."""


class Reservation:
    """Bytes that nobody else may have."""

    def __init__(self, budget: "Budget", size: int) -> None:
        self._budget = budget
        self.size = size

    def shrink(self, size: int) -> None:
        """Give back all but `size`."""
        self._budget.give_back(max(0, self.size - size))
        self.size = min(self.size, size)

    def split(self, size: int) -> "Reservation":
        """A part of it (all of it at most) as a reservation of its own."""
        part = Reservation(self._budget, min(size, self.size))
        self.size -= part.size
        return part


class Budget:
    """`total` bytes to be shared, first come first served: many small ones cannot starve a large one."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.reserved = 0
        self._held = False
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    async def take(self, need: Need, make_room: MakeRoom) -> Reservation:
        """Wait until `need()` bytes are free, and have them. More than `total` is never free: ask for less."""
        async with self._turn:
            while not self._fits(need()):
                self._changed.clear()
                if not await make_room():
                    await self._changed.wait()
            size = need()
            self.reserved += size
        return Reservation(self, size)

    def hold(self, held: bool) -> None:
        """While the machine is nearly full, nothing new starts, whatever was promised."""
        self._held = held
        self._changed.set()

    @property
    def held(self) -> bool:
        return self._held

    def give_back(self, size: int) -> None:
        """Called by a reservation."""
        self.reserved -= size
        self._changed.set()

    def _fits(self, size: int) -> bool:
        return not self._held and self.reserved + size <= self.total
