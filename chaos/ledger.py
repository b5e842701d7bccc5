"""What was submitted, and what became of it as its client saw it. Runs in the campaign.

Does not judge: see `checks`.
"""

import time
from typing import Any

import msgspec

from chaos.sample_jobs import SampleJob


class Entry(msgspec.Struct, kw_only=True):
    """One job, from the client's first attempt to submit it."""

    number: int
    sample: SampleJob
    cancel_after_s: float | None
    """None: its client does not cancel it."""
    begun: float
    job_id: str | None = None
    """Once the service has accepted it."""
    cancelled_as: str | None = None
    """The state that the service named when it was asked to cancel."""
    ended_as: str | None = None
    """The terminal state that the client saw first."""
    seconds: float | None = None
    """From the first attempt to submit to the end that the client saw."""

    @property
    def label(self) -> str:
        return f"job {self.number} ({self.sample.name}, {self.job_id})"


class Ledger:
    """Every job of a campaign, and every answer that no client should ever get."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.bad_answers: list[str] = []

    def open(self, sample: SampleJob, cancel_after_s: float | None) -> Entry:
        entry = Entry(
            number=len(self.entries) + 1, sample=sample, cancel_after_s=cancel_after_s, begun=time.monotonic()
        )
        self.entries.append(entry)
        return entry

    def ended(self, entry: Entry, job: dict[str, Any]) -> None:
        entry.ended_as = job["status"]
        entry.seconds = time.monotonic() - entry.begun

    @property
    def accepted(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.job_id]
