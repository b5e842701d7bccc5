"""What a job's error says when an attempt's death ended it: the cause, the step, the numbers, and the way out. Pure.

Used in the supervisor. Does not decide that the job ends: see `decide`.
"""

from jobs.outcomes import Evidence, row_of
from jobs.records import Chunk
from supervisor.chunks.judge import Verdict

MIB = 1024 * 1024
_STEPS = {"open": "opening the data", "close": "summing up"}


def final_message(verdict: Verdict, chunk: Chunk, evidence: Evidence, *, loading: bool) -> str:
    """The verdict's sentence, and what its reader can do."""
    row = row_of(verdict.outcome, verdict.code)
    sentences = [_sentence(verdict.message), f"It was {step(chunk, loading=loading)}{_memory(evidence)}.", row.way_out]
    return " ".join(sentence for sentence in sentences if sentence)


def step(chunk: Chunk, *, loading: bool) -> str:
    """What the child was doing."""
    if loading:
        return "loading the model"
    if chunk.kind == "rows":
        return f"explaining row {chunk.first}" if chunk.first == chunk.last else f"explaining rows {chunk.id}"
    return _STEPS[chunk.kind]


def _memory(evidence: Evidence) -> str:
    if not evidence.cap_bytes or evidence.peak_bytes is None:
        return ""
    peak, cap = evidence.peak_bytes / MIB, evidence.cap_bytes / MIB
    return f" and had taken {peak:,.0f} MB at most; its cap was {cap:,.0f} MB"


def _sentence(text: str) -> str:
    return text if not text or text.rstrip().endswith((".", "!", "?")) else f"{text.rstrip()}."
