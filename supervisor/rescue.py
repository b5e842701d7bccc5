"""Returns expired leases to the queue, whoever held them, and a restarted supervisor's own. Runs in the supervisor.

Independent of what children do. Two supervisors may rescue the same chunk: the script lets one of them.
"""

import time

import structlog

from jobs.outcomes import Attempt, Evidence, Outcome
from jobs.queue import Lease, Queue
from supervisor.decide import decide
from supervisor.judge import Verdict

log = structlog.get_logger()

_LOST = Verdict(
    outcome=Outcome.SUPERVISOR_LOST,
    code=Outcome.SUPERVISOR_LOST.value,
    message="The supervisor that worked on this chunk was lost.",
)


async def rescue(queue: Queue, *, max_attempts: int) -> int:
    """Settle every expired lease; returns how many."""
    return await _settle(queue, await queue.expired(), max_attempts=max_attempts, expired_only=True)


async def adopt(queue: Queue, *, max_attempts: int) -> int:
    """Settle what an earlier supervisor of this name was working on; call it before leasing anything."""
    return await _settle(queue, await queue.own(), max_attempts=max_attempts, expired_only=False)


async def _settle(queue: Queue, leases: list[Lease], *, max_attempts: int, expired_only: bool) -> int:
    settled = 0
    for lease in leases:
        attempt = Attempt(
            chunk=lease.chunk.id,
            attempt=lease.chunk.attempts + 1,
            outcome=_LOST.outcome,
            supervisor=lease.chunk.owner,
            code=_LOST.code,
            message=_LOST.message,
            ended_at=time.time(),
        )
        follows = decide(lease.chunk, _LOST, Evidence(), max_attempts=max_attempts, detail={})
        if await queue.settle(lease, attempt, follows, expired_only=expired_only):
            settled += 1
            log.warning("chunk_rescued", job_id=lease.job_id, chunk=lease.chunk.id, supervisor=lease.chunk.owner)
    return settled
