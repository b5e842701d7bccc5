"""The arithmetic from the memory limit to budget, slots and cap: pure, used once, at the start.

Does not read what the machine gives (`limits`), share the budget out (`budget`) or look at children (`watch`).
"""

import msgspec

from jobs.settings import MIB, Settings
from supervisor.children.limits import Limit

RESERVE_BYTES = 32 * MIB
"""For what nobody counts: the kernel's buffers for our sockets, the interpreter's own growth."""
SMALLEST_CAP_BYTES = 96 * MIB
"""Below this a default cap would hold no real model."""
LARGEST_DEFAULT_CAP_BYTES = 1024 * MIB
"""A default, not a bound: CHILD_MEMORY_MB may be larger."""
IDLE_SHARE = 1 / 16
"""Of the budget, that default caps leave to templates which wait for their next chunk."""


class NoRoom(Exception):
    """Not even one child fits into the memory limit; the message shows the arithmetic."""


class Plan(msgspec.Struct, kw_only=True, frozen=True):
    """How the memory is shared out; all in bytes."""

    limit: Limit
    others_bytes: int
    supervisor_bytes: int
    forkserver_bytes: int
    reserve_bytes: int
    budget_bytes: int
    slots: int
    cap_bytes: int

    @property
    def arithmetic(self) -> str:
        """The sum in words, for logs, `info` and refusals."""
        others = f" - others {mb(self.others_bytes)}" if self.others_bytes else ""
        return (
            f"limit {mb(self.limit.limit_bytes)} ({self.limit.source}){others}"
            f" - supervisor {mb(self.supervisor_bytes)} - forkserver {mb(self.forkserver_bytes)}"
            f" - reserve {mb(self.reserve_bytes)} = budget {mb(self.budget_bytes)};"
            f" {self.slots} slot(s) of {mb(self.cap_bytes)}"
        )


def share_out(
    settings: Settings,
    limit: Limit,
    *,
    supervisor_bytes: int,
    forkserver_bytes: int,
    cores: int,
    in_use_bytes: int | None = None,
) -> Plan:
    """Budget, slots and cap. What the operator set is taken as it is, or refused. Raises NoRoom.

    `in_use_bytes` is what all processes under the limit take together, ours included.
    """
    others = max(0, (in_use_bytes or 0) - supervisor_bytes - forkserver_bytes)
    budget = limit.limit_bytes - others - supervisor_bytes - forkserver_bytes - RESERVE_BYTES
    smallest = settings.child_memory_bytes or SMALLEST_CAP_BYTES
    slots = settings.worker_slots or max(1, min(cores, budget // smallest))
    shared = int(max(0, budget) * (1 - IDLE_SHARE))
    cap = settings.child_memory_bytes or min(LARGEST_DEFAULT_CAP_BYTES, shared // slots)
    plan = Plan(
        limit=limit,
        others_bytes=others,
        supervisor_bytes=supervisor_bytes,
        forkserver_bytes=forkserver_bytes,
        reserve_bytes=RESERVE_BYTES,
        budget_bytes=budget,
        slots=slots,
        cap_bytes=cap,
    )
    if slots * cap > budget or cap < min(smallest, SMALLEST_CAP_BYTES):
        raise NoRoom(f"The children do not fit: {plan.arithmetic}. {_way_out(settings)}")
    return plan


def mb(size: int) -> str:
    return f"{size / MIB:.0f} MB"


def _way_out(settings: Settings) -> str:
    if settings.child_memory_mb or settings.worker_slots:
        return "Lower CHILD_MEMORY_MB or WORKER_SLOTS, or raise the limit."
    return "Raise the memory limit of this machine, or set a smaller CHILD_MEMORY_MB."
