"""From an outcome to what follows: pure functions over the outcome's row, the chunk's record and the settings.

The store carries it out: see `jobs.queue.Queue.settle`, the one place that counts.
"""

from typing import Any

import msgspec

from jobs.outcomes import Evidence, row_of
from jobs.planner import halves
from jobs.queue import Decision
from jobs.records import Chunk, JobError
from supervisor.chunks.judge import Verdict
from supervisor.chunks.last_words import final_message

MAX_CRASHES = 5
"""Times that a supervisor may be lost over one chunk before the chunk is called poison; more where more attempts are
allowed."""


def decide(
    chunk: Chunk,
    verdict: Verdict,
    evidence: Evidence,
    *,
    max_attempts: int,
    detail: dict[str, Any],
    loading: bool = False,
    draining: bool = False,
    narrow: bool = False,
) -> Decision:
    """What follows from an attempt that did not succeed. `loading`: it did not get past the model. `narrow`: it ran
    out of memory under a narrow cap, and the next one will have a whole one.
    """
    row = row_of(verdict.outcome, verdict.code)
    if row.counts == "crashes":
        return _after_loss(chunk, verdict, evidence, most=max(MAX_CRASHES, max_attempts), draining=draining)
    if not (row.halve or row.retry):
        return _fail(verdict, detail)
    splits = chunk.kind == "rows" and chunk.last > chunk.first and not loading
    last_attempt = chunk.attempts + 1 >= max_attempts
    if narrow and not last_attempt:
        return Decision(action="retry", counts="attempts")
    if row.halve == "afresh" and splits:
        return Decision(action="halve", counts="attempts", chunks=_halved(chunk, attempts=0))
    if last_attempt or not row.retry:
        return _died(chunk, verdict, evidence, detail, loading=loading)
    if row.halve and splits:
        return Decision(action="halve", counts="attempts", chunks=_halved(chunk, attempts=chunk.attempts + 1))
    return Decision(action="retry", counts="attempts")


def _after_loss(chunk: Chunk, verdict: Verdict, evidence: Evidence, *, most: int, draining: bool) -> Decision:
    """The chunk is not to blame, unless it takes its supervisor down again and again."""
    if draining:
        return Decision(action="retry", counts="")
    if chunk.crashes + 1 >= most:
        return _died(chunk, verdict, evidence, {}, loading=False, counts="crashes")
    return Decision(action="retry", counts="crashes")


def _fail(verdict: Verdict, detail: dict[str, Any]) -> Decision:
    error = JobError(code=verdict.code, message=verdict.message, detail=detail)
    return Decision(action="fail", counts="attempts", error=error)


def _died(
    chunk: Chunk,
    verdict: Verdict,
    evidence: Evidence,
    detail: dict[str, Any],
    *,
    loading: bool,
    counts: Any = "attempts",
) -> Decision:
    """The job ends, with all that is known of the attempt's end."""
    at = "loading the model" if loading else f"chunk {chunk.id}"
    known = {**detail, "at": at, "attempts": chunk.attempts + 1, "evidence": msgspec.to_builtins(evidence)}
    message = final_message(verdict, chunk, evidence, loading=loading)
    return Decision(action="fail", counts=counts, error=JobError(code=verdict.code, message=message, detail=known))


def _halved(chunk: Chunk, *, attempts: int) -> list[Chunk]:
    """Two chunks in its place, over the same bytes: their children skip the rows that are not theirs."""
    return [
        Chunk(
            id=f"{first}-{last}",
            kind="rows",
            attempts=attempts,
            crashes=chunk.crashes,
            first=first,
            last=last,
            span_first=chunk.span_first,
            start=chunk.start,
            end=chunk.end,
        )
        for first, last in halves(chunk.first, chunk.last)
    ]
