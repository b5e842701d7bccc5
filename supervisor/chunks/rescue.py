"""Gives chunks back that nobody works on: expired leases, a predecessor's, and our own lost ones. In the supervisor.

Independent of what children do. Two supervisors may rescue the same chunk: the script lets one of them. Does not draw
leases or know which are held: see `leases`.
"""

import time
from collections.abc import Container

import structlog

from jobs.outcomes import Attempt, Evidence, Outcome
from jobs.queue import Decision, Lease, Queue
from supervisor.chunks.decide import decide
from supervisor.chunks.judge import Verdict

log = structlog.get_logger()

RESCUE_S = 2.0
"""The longest pause between two rescues; shorter when a lease is known to expire sooner."""
SOONEST_S = 0.05
"""The shortest pause: also how long after a deadline a rescue looks."""

_LOST = Verdict(
    outcome=Outcome.SUPERVISOR_LOST,
    code=Outcome.SUPERVISOR_LOST.value,
    message="The supervisor that worked on this chunk was lost.",
)
_BROKEN_OFF = Verdict(
    outcome=Outcome.SUPERVISOR_LOST,
    code=Outcome.SUPERVISOR_LOST.value,
    message="The supervisor could not bring this attempt to its end.",
)


async def rescue(queue: Queue, *, max_attempts: int, held: Container[int] = ()) -> float:
    """Settle every expired lease but those that we hold ourselves, by their tokens: they only wait to be renewed.

    Returns the seconds until there may be another.
    """
    expired, next_in = await queue.expired()
    leases = [lease for lease in expired if lease.token not in held]
    settled = await _settle(queue, leases, _LOST, max_attempts=max_attempts, expired_only=True)
    if leases and not settled:  # somebody was faster, or the store contradicts itself: no reason to hurry
        return RESCUE_S
    return max(SOONEST_S, min(RESCUE_S, RESCUE_S if next_in is None else next_in + SOONEST_S))


async def adopt(queue: Queue, *, max_attempts: int) -> int:
    """Settle what an earlier supervisor of this name was working on; returns how many."""
    earlier = [lease for lease in await queue.own() if lease.chunk.incarnation != queue.incarnation]
    return await _settle(queue, earlier, _LOST, max_attempts=max_attempts)


async def give_back(queue: Queue, drawn: list[Lease], broken_off: list[Lease], *, max_attempts: int) -> int:
    """Settle leases of our own that nobody works on; returns how many.

    Those that were drawn and never reached us cost the chunk nothing; those whose attempt broke off count as a loss.
    """
    count = await _settle(queue, broken_off, _BROKEN_OFF, max_attempts=max_attempts)
    for lease in drawn:
        count += await queue.settle(lease, None, Decision(action="retry", counts=""))
        log.warning("lease_returned", job_id=lease.job_id, chunk=lease.chunk.id)
    return count


async def _settle(
    queue: Queue, leases: list[Lease], verdict: Verdict, *, max_attempts: int, expired_only: bool = False
) -> int:
    settled = 0
    for lease in leases:
        attempt = Attempt(
            chunk=lease.chunk.id,
            attempt=lease.chunk.attempts + 1,
            outcome=verdict.outcome,
            supervisor=lease.chunk.owner,
            code=verdict.code,
            message=verdict.message,
            ended_at=time.time(),
        )
        follows = decide(lease.chunk, verdict, Evidence(), max_attempts=max_attempts, detail={})
        if await queue.settle(lease, attempt, follows, expired_only=expired_only):
            settled += 1
            log.warning("chunk_rescued", job_id=lease.job_id, chunk=lease.chunk.id, supervisor=lease.chunk.owner)
    return settled
