"""What a job says that an attempt's death ended: step, peak, cap, and the setting that helps."""

import pytest

from jobs.outcomes import MACHINE_FULL, Evidence, Outcome
from jobs.records import OPEN, Chunk
from supervisor.chunks.judge import Verdict
from supervisor.chunks.last_words import final_message

MB = 1024 * 1024
KNOWN = Evidence(peak_bytes=612 * MB, cap_bytes=512 * MB)
ROW = Chunk(id="7-7", kind="rows", first=7, last=7)
ROWS = Chunk(id="0-9", kind="rows", first=0, last=9)
CLOSE = Chunk(id="close", kind="close")


def said(outcome: Outcome, chunk: Chunk = ROW, evidence: Evidence = KNOWN, code: str = "", **more: bool) -> str:
    verdict = Verdict(outcome=outcome, code=code or outcome.value, message="It died")
    return final_message(verdict, chunk, evidence, loading=more.get("loading", False))


@pytest.mark.parametrize("outcome", [Outcome.MEMORY_CAP, Outcome.MEMORY_WATCH])
def test_a_memory_kill_has_step_peak_cap_and_the_setting(outcome: Outcome) -> None:
    message = said(outcome)
    assert message.startswith("It died. It was explaining row 7 and had taken 612 MB at most; its cap was 512 MB. ")
    assert "raise CHILD_MEMORY_MB" in message


@pytest.mark.parametrize("code", ["", MACHINE_FULL])
def test_a_full_machine_is_helped_by_fewer_children(code: str) -> None:
    outcome = Outcome.MEMORY_WATCH if code else Outcome.OOM_KILLED
    assert "lower WORKER_SLOTS" in said(outcome, code=code)
    assert "612 MB" in said(outcome, code=code)


def test_every_step_is_named() -> None:
    assert "opening the data" in said(Outcome.MEMORY_CAP, OPEN)
    assert "explaining rows 0-9" in said(Outcome.MEMORY_CAP, ROWS)
    assert "summing up" in said(Outcome.MEMORY_CAP, CLOSE)
    assert "loading the model" in said(Outcome.MEMORY_CAP, loading=True)


def test_numbers_that_are_not_known_are_not_made_up() -> None:
    assert " MB" not in said(Outcome.TIMED_OUT, evidence=Evidence(cap_bytes=5)).replace("_MB", "")
    assert "CHUNK_TIMEOUT_S" in said(Outcome.TIMED_OUT)


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - {Outcome.SUCCEEDED, Outcome.REFUSED, Outcome.CANCELLED}))
def test_every_death_names_a_way_out(outcome: Outcome) -> None:
    assert len(said(outcome).split(". ", 2)[2]) > 20
