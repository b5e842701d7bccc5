"""How an attempt can end: values, not exceptions. Written by the supervisor, read by everyone.

One row an outcome says what it means and what may follow; `supervisor.chunks.decide` decides by it, for a chunk.
"""

from enum import StrEnum
from typing import Any, Literal

import msgspec


class Outcome(StrEnum):
    """One run of a chunk ended in one of these ways. To add one is to add a member, a row in OUTCOMES, and one in the
    docs/api.md's table.
    """

    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    RAISED = "raised"
    MEMORY_CAP = "memory_cap"
    MEMORY_WATCH = "memory_watch"
    OOM_KILLED = "oom_killed"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    CANCELLED = "cancelled"
    SUPERVISOR_LOST = "supervisor_lost"


class Row(msgspec.Struct, frozen=True):
    """What an outcome means. With neither `halve` nor `retry` it is about the job, which fails with what was said."""

    text: str
    """Said on the job where the child could say nothing better."""
    halve: Literal["", "afresh", "counting"] = ""
    """A chunk of several rows is halved: its halves begin afresh, or with the attempts that it has used up."""
    retry: bool = False
    """The same rows may end otherwise, up to CHUNK_MAX_ATTEMPTS."""
    counts: Literal["attempts", "crashes"] = "attempts"
    """Against the chunk, or apart: its supervisor's or its template's end is not its fault."""
    out_of_memory: bool = False
    death: bool = False
    """It died or was killed over the chunk: counted for operators."""
    status: int = 500
    """That of HTTP where it ended a job that its caller waited for."""
    way_out: str = ""
    """Said on a job that it ended."""


_MORE_MEMORY = (
    "Let the operator raise CHILD_MEMORY_MB, or give the worker more memory, from which the cap follows; a smaller "
    "background, or fewer samples (nsamples, max_evals), takes less."
)
_FULL_MACHINE = (
    "Let the operator lower WORKER_SLOTS or MEMORY_LIMIT_MB, so that children leave room for what else runs there, or "
    "give the machine more memory."
)
_LOST = "Submit it again; if that happens again, look at the worker's log and memory at the time of the attempts."
_OUR_FAULT = "This is a fault of the service or of a library: report it with the job's id, which its log names too."

OUTCOMES = {
    Outcome.SUCCEEDED: Row(""),
    Outcome.REFUSED: Row("No retry can help: the model or the data cannot be explained."),
    Outcome.RAISED: Row("The child reported an error.", retry=True, way_out=_OUR_FAULT),
    Outcome.MEMORY_CAP: Row(
        "The child ran out of memory at its cap.",
        halve="afresh",
        out_of_memory=True,
        death=True,
        status=507,
        way_out=_MORE_MEMORY,
    ),
    Outcome.MEMORY_WATCH: Row(
        "The child grew past its cap and was killed.",
        halve="afresh",
        out_of_memory=True,
        death=True,
        status=507,
        way_out=_MORE_MEMORY,
    ),
    Outcome.OOM_KILLED: Row(  # perhaps for what a neighbour took
        "The kernel killed the child: the machine ran out of memory.",
        halve="afresh",
        retry=True,
        out_of_memory=True,
        death=True,
        status=507,
        way_out=_FULL_MACHINE,
    ),
    Outcome.TIMED_OUT: Row(
        "The child took longer than CHUNK_TIMEOUT_S and was killed.",
        halve="counting",
        retry=True,
        death=True,
        status=504,
        way_out="Let the operator raise CHUNK_TIMEOUT_S, or ask for less: fewer samples (nsamples, max_evals).",
    ),
    Outcome.CRASHED: Row(
        "The child ended without a report.",
        retry=True,
        death=True,
        way_out="A library may have crashed over this model: save it again with the library's newest version, or look "
        "at the attempts' stderr.",
    ),
    Outcome.CANCELLED: Row("The job was cancelled.", retry=True),  # the lease went with it: nothing is written
    Outcome.SUPERVISOR_LOST: Row(
        "The supervisor was shut down before the child had finished.",
        retry=True,
        counts="crashes",
        way_out=_LOST,
    ),
}

MACHINE_FULL, PARENT_LOST = "machine_full", "parent_lost"
CAUSES = {
    (Outcome.MEMORY_WATCH, MACHINE_FULL): Row(
        "The machine was nearly full, and this child was the largest: it was killed before the kernel chose one.",
        halve="afresh",
        retry=True,
        out_of_memory=True,
        death=True,
        status=507,
        way_out=_FULL_MACHINE,
    ),
    (Outcome.CRASHED, PARENT_LOST): Row(
        "The process that the child was forked from died.", retry=True, counts="crashes", death=True, way_out=_LOST
    ),
}
"""Codes under which an outcome means something else."""

MEMORY_OUTCOMES = frozenset(outcome for outcome, row in OUTCOMES.items() if row.out_of_memory)
DEATHS = frozenset(outcome for outcome, row in OUTCOMES.items() if row.death)


def row_of(outcome: Outcome, code: str) -> Row:
    """What follows from an outcome under this code."""
    return CAUSES.get((outcome, code)) or OUTCOMES[outcome]


class Evidence(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is known of an attempt's end. Sizes in bytes, durations in seconds."""

    exit_code: int | None = None
    signal: str | None = None
    seconds: float = 0.0
    cap_bytes: int | None = None
    peak_bytes: int | None = None
    """The most resident memory that the child added to what it was forked from."""
    vm_peak_bytes: int | None = None
    """VmPeak: the most address space; it is this that RLIMIT_AS limits."""
    vm_hwm_bytes: int | None = None
    """VmHWM: the most resident memory, inherited pages included."""
    vm_limit_bytes: int | None = None
    """RLIMIT_AS of the child: the warm VmSize plus the cap, less what is left for growth that it does not see."""
    stderr: str | None = None
    """The last lines that native libraries wrote."""


class Attempt(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One run of one chunk, as it stays readable on the job."""

    chunk: str
    attempt: int
    outcome: Outcome
    supervisor: str
    code: str | None = None
    """The problem's code, where the child named one."""
    message: str | None = None
    detail: dict[str, Any] = {}
    evidence: Evidence = msgspec.field(default_factory=Evidence)
    ended_at: float = 0.0
