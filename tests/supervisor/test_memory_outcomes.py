"""Running out of memory in every place where it can happen: each ends under its own name, with evidence.

Scripted children in real processes under a cap of 128 MB. Kills by the kernel need a cgroup: see tests/memory.
"""

import importlib.util
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobs.outcomes import Attempt, Outcome
from jobs.records import Job
from jobs.settings import MIB
from jobs.states import JobState
from supervisor.children.usage import LINUX
from tests.supervisor.conftest import Service
from tests.supervisor.test_outcomes import play

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not LINUX, reason="RLIMIT_AS and /proc are Linux's")]
CAP_MB = 128


def marked(attempts: list[Attempt]) -> list[Attempt]:
    return [attempt for attempt in attempts if attempt.outcome is not Outcome.SUCCEEDED]


async def only_mark(service: Service, tmp_path: Path, *acts: str, **settings: Any) -> tuple[Job, Attempt]:
    """A chunk of two rows does as told and its halves do not; the job must finish with the right values."""
    async with service.supervisor(**settings):
        job_id = await service.submit({"acts": {"0-1": list(acts)}, "scratch": str(tmp_path)})
        job, attempts = await service.ended(job_id), await service.store.attempts(job_id)
    assert job.state is JobState.FINISHED, job.error
    assert await service.values(job) == [0, 1, 2, 3]
    (failed,) = marked(attempts)
    assert failed.chunk == "0-1"
    return job, failed


@pytest.mark.parametrize("act", ["numpy:512", "operator_new:512", "llvm", "bad_alloc"])
async def test_an_allocation_that_fails_is_named_after_the_cap(service: Service, tmp_path: Path, act: str) -> None:
    job, failed = await only_mark(service, tmp_path, act)
    assert failed.outcome is Outcome.MEMORY_CAP
    assert failed.evidence.stderr
    assert failed.evidence.peak_bytes is not None
    assert failed.evidence.peak_bytes <= CAP_MB * MIB
    assert job.chunks == 3  # two halves in its place


async def test_address_space_ends_before_the_cap(service: Service, tmp_path: Path) -> None:
    """So that there is room for what a child adds without asking: copies, and buffers reserved before the fork."""
    _, failed = await only_mark(service, tmp_path, "fill")
    assert failed.outcome is Outcome.MEMORY_CAP
    assert 0.8 * CAP_MB < int(str(failed.message)) < 0.92 * CAP_MB


@pytest.mark.skipif(importlib.util.find_spec("llvmlite") is None, reason="no LLVM is installed for this Python")
async def test_the_real_llvm_at_the_cap(service: Service, tmp_path: Path) -> None:
    _, failed = await only_mark(service, tmp_path, "real_llvm", child_memory_mb=512)
    assert failed.outcome is Outcome.MEMORY_CAP


async def test_who_swallows_a_memory_error_may_go_on(service: Service, tmp_path: Path) -> None:
    job, attempts = await play(service, {"0-1": ["swallow:512"]}, tmp_path)
    assert job.state is JobState.FINISHED
    assert not marked(attempts)


@pytest.mark.parametrize("act", ["swallow_and_grow:180", "companions:180", "grow:129"])
async def test_what_the_hard_cap_does_not_see_the_watch_does(service: Service, tmp_path: Path, act: str) -> None:
    _, failed = await only_mark(service, tmp_path, act)
    assert (failed.outcome, failed.code) == (Outcome.MEMORY_WATCH, "memory_watch")
    assert "past its cap" in str(failed.message)
    assert failed.evidence.peak_bytes
    assert failed.evidence.peak_bytes > CAP_MB * MIB


async def written(service: Service, held_mb: int, seconds: float) -> tuple[Job, list[Attempt]]:
    """A template holds so much, and its child writes to all of it."""
    async with service.supervisor():
        job_id = await service.submit(
            {"acts": {"0-1": [f"write_to_inherited:{seconds}"]}}, model={"acts": {"load": [f"hold:{held_mb}"]}}
        )
        return await service.ended(job_id), await service.store.attempts(job_id)


async def test_writing_to_inherited_pages_counts_against_the_cap(service: Service) -> None:
    job, attempts = await written(service, held_mb=80, seconds=60)
    assert job.state is JobState.FINISHED, job.error
    (failed,) = marked(attempts)
    assert (failed.outcome, failed.chunk) == (Outcome.MEMORY_WATCH, "0-1")
    assert failed.evidence.peak_bytes
    assert CAP_MB * MIB < failed.evidence.peak_bytes < 1.1 * CAP_MB * MIB


async def test_inherited_pages_that_fit_twice_may_be_written_to(service: Service) -> None:
    job, attempts = await written(service, held_mb=40, seconds=1.5)
    assert job.state is JobState.FINISHED, job.error
    (peak,) = [attempt.evidence.peak_bytes for attempt in attempts if attempt.chunk == "0-1"]
    assert peak is not None
    assert 75 * MIB < peak < 100 * MIB


async def test_nobody_gets_away(service: Service, tmp_path: Path) -> None:
    """Not even a process that left its group and its parent."""
    pid_file = tmp_path / "escaped"
    job, _ = await play(service, {"0-1": [f"escape:{pid_file}"]}, tmp_path)
    assert job.state is JobState.FINISHED
    pid = int(pid_file.read_text())
    await service.until(lambda: not psutil.pid_exists(pid))


async def test_a_stack_that_overflows_is_no_matter_of_the_cap(service: Service, tmp_path: Path) -> None:
    _, failed = await only_mark(service, tmp_path, "overflow", "ok")
    assert (failed.outcome, failed.evidence.signal) == (Outcome.CRASHED, "SIGSEGV")
