"""Which cap a new child gets, and what room it needs: functions of numbers, no process, no clock. In the supervisor.

A cap is whole (the plan's), or narrow: beside a full forkserver, whose libraries take part of the budget, caps are
narrow where its room is missing, rather than that it goes and comes again. Who runs out of memory under a narrow cap
gets a whole one. Does not reserve anything: see `budget`. Does not hold anybody to a cap: see `forkserver` and `watch`.
"""

from collections.abc import Collection

import msgspec

from jobs.errors import NoRoomForLibraries
from supervisor.children.memory import SMALLEST_CAP_BYTES, Plan, mb
from supervisor.children.spawner import StackName

MOST_REMEMBERED = 1_000
SPARED_S = 5.0
"""An idle full forkserver is kept for so long from those that fit beside it, if one after another."""


class Libraries(msgspec.Struct, frozen=True):
    """What the full forkserver takes of the budget; in bytes."""

    expected_bytes: int
    held_bytes: int | None = None
    """Reserved for it; None while it is not there."""

    @property
    def present(self) -> bool:
        return self.held_bytes is not None

    @property
    def bytes(self) -> int:
        """As much as it takes when it is there."""
        return max(self.expected_bytes, self.held_bytes or 0)


def cap_bytes(plan: Plan, libraries: Libraries, stack: StackName, *, whole: bool = False) -> int:
    """What a new child of this stack may add to its forkserver. `whole`: a narrow cap is known not to do.

    Raises NoRoomForLibraries.
    """
    left = plan.budget_bytes - libraries.bytes
    enough = left >= min(plan.cap_bytes, SMALLEST_CAP_BYTES)
    if stack == "full" and not enough:
        arithmetic = f"{plan.arithmetic}; scikit-learn and shap take {mb(libraries.expected_bytes)} of it"
        raise NoRoomForLibraries(left=mb(max(0, left)), arithmetic=arithmetic)
    narrow = stack == "full" or (libraries.present and enough and not whole)
    return min(plan.cap_bytes, left) if narrow else plan.cap_bytes


def need_bytes(libraries: Libraries, stack: StackName, child_bytes: int) -> int:
    """Room for a child, and for the libraries where they are wanted and not there yet."""
    return child_bytes + (libraries.expected_bytes if stack == "full" and not libraries.present else 0)


def are_spared(plan: Plan, libraries: Libraries, cap: int, idle_s: float) -> bool:
    """Whether idle libraries stay although a lean child waits for room: what runs beside them will end sooner than
    they could be back.
    """
    return (libraries.held_bytes or 0) + cap <= plan.budget_bytes and idle_s < SPARED_S


class NarrowCaps:
    """Which templates are under a cap that could be a whole one, and which did not fit under theirs."""

    def __init__(self) -> None:
        self._narrow: set[str] = set()
        self._outgrown: set[str] = set()

    def outgrown(self, key: str | None) -> bool:
        """A narrow cap is known not to do for it."""
        return key in self._outgrown

    def note(self, key: str, *, narrow: bool) -> None:
        """A template is loaded under such a cap."""
        (self._narrow.add if narrow else self._narrow.discard)(key)

    def widen(self, key: str) -> bool:
        """Its child ran out of memory. If that was under a narrow cap, the next one gets a whole one."""
        if key not in self._narrow:
            return False
        self._narrow.discard(key)
        if len(self._outgrown) >= MOST_REMEMBERED:
            self._outgrown.clear()
        self._outgrown.add(key)
        return True

    def forget_all_but(self, keys: Collection[str]) -> None:
        """Templates that are gone are under no cap."""
        self._narrow.intersection_update(keys)
