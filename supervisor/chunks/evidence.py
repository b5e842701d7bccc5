"""From a child, what was seen of it and its last word to how the attempt ended, as a record. Pure, in the supervisor.

Does not name the cause: see `judge`, which gets the ending. Does not write the record: see `executor`.
"""

from jobs.errors import Problem
from jobs.outcomes import Attempt, Evidence, Outcome
from jobs.protocol import Done, Failed
from jobs.records import Chunk
from supervisor.children.conversation import LastWord
from supervisor.children.spawner import Child
from supervisor.children.watch import Sample
from supervisor.chunks.judge import Ending, Verdict, exit_code, exit_signal, signal_name

STDERR_CHARACTERS = 500
"""The most of a child's last lines that stay on the job."""


def ending_of(child: Child, sample: Sample, message: LastWord | None, *, kernel_killed: bool) -> Ending:
    """All that is known of a child's end. One that is done may not have exited yet."""
    return Ending(
        message=message,
        exited=child.exited.result() if child.exited.done() else None,
        killed_as=child.killed_as,
        parent_lost=child.parent_lost,
        kernel_killed=kernel_killed,
        stderr=child.stderr.text(),
        vm_peak_bytes=sample.vm_peak_bytes,
        vm_limit_bytes=sample.vm_limit_bytes,
        cap_bytes=sample.cap_bytes,
        machine_full=sample.machine_full,
    )


def refused(problem: Problem) -> Ending:
    """What the supervisor finds wrong with a job counts like what a child finds."""
    return Ending(message=Failed(kind="refused", code=problem.code, message=problem.message, detail=problem.detail))


def unless_incomplete(verdict: Verdict, *, complete: bool) -> Verdict:
    """A child that says it is done but has not sent what belongs to it has not succeeded."""
    if verdict.outcome is not Outcome.SUCCEEDED or complete:
        return verdict
    return Verdict(outcome=Outcome.CRASHED, code="incomplete", message="The child's result is not complete.")


def evidence_of(ending: Ending, sample: Sample, *, inherited_bytes: int, seconds: float) -> Evidence:
    """What the child counted and what the watch saw: of each size the larger, for neither sees everything."""
    report = ending.message.memory if isinstance(ending.message, Done | Failed) else None
    own_peak = report.peak_bytes + inherited_bytes if report else 0
    signalled = exit_signal(ending.exited)
    return Evidence(
        exit_code=exit_code(ending.exited),
        signal=signal_name(signalled) if signalled else None,
        seconds=round(seconds, 4),
        cap_bytes=sample.cap_bytes or None,
        peak_bytes=max(own_peak, sample.peak_growth_bytes),
        vm_peak_bytes=max(report.vm_peak_bytes if report else 0, sample.vm_peak_bytes),
        vm_hwm_bytes=report.vm_hwm_bytes if report else None,
        vm_limit_bytes=sample.vm_limit_bytes or None,
        stderr=ending.stderr[-STDERR_CHARACTERS:] or None,
    )


def attempt_of(
    chunk: Chunk, ending: Ending, verdict: Verdict, evidence: Evidence, *, supervisor: str, ended_at: float
) -> Attempt:
    """The record that stays readable on the job."""
    failed = ending.message if isinstance(ending.message, Failed) else None
    return Attempt(
        chunk=chunk.id,
        attempt=chunk.attempts + 1,
        outcome=verdict.outcome,
        supervisor=supervisor,
        code=verdict.code if verdict.outcome is not Outcome.SUCCEEDED else None,
        message=verdict.message or None,
        detail=failed.detail if failed else {},
        evidence=evidence,
        ended_at=ended_at,
    )
