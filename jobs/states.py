"""Job and chunk states. Read by every process, and handed to the Lua scripts as tables.

Does not say *why* a state changes: see `outcomes` for attempts and `store` for the operations.
"""

from enum import StrEnum


class JobState(StrEnum):
    """A job from the caller's point of view."""

    QUEUED = "queued"  # accepted, no attempt yet
    STARTED = "started"  # a supervisor has leased one of its chunks
    FINISHED = "finished"  # every row has values and the summary is written
    FAILED = "failed"  # ended with a named cause
    CANCELLED = "cancelled"  # ended by the caller


class ChunkState(StrEnum):
    """A chunk on its way through the queue."""

    PENDING = "pending"  # in its job's list, waiting for a slot
    LEASED = "leased"  # in one supervisor's list, under a fencing token
    DONE = "done"  # its result is committed, or smaller chunks took its place
    DEAD = "dead"  # its job ended without it


JOB_TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.STARTED, JobState.FAILED, JobState.CANCELLED}),
    JobState.STARTED: frozenset({JobState.FINISHED, JobState.FAILED, JobState.CANCELLED}),
    JobState.FINISHED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}

CHUNK_TRANSITIONS: dict[ChunkState, frozenset[ChunkState]] = {
    ChunkState.PENDING: frozenset({ChunkState.LEASED, ChunkState.DEAD}),
    ChunkState.LEASED: frozenset({ChunkState.DONE, ChunkState.PENDING, ChunkState.DEAD}),
    ChunkState.DONE: frozenset(),
    ChunkState.DEAD: frozenset(),
}

ENDED: frozenset[JobState] = frozenset(state for state, after in JOB_TRANSITIONS.items() if not after)
