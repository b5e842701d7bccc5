"""Slots go round the callers first: nobody waits behind the many jobs of another, and its own take turns."""

import asyncio
from pathlib import Path

import pytest

from jobs.callers import Caller
from jobs.options import Options
from jobs.states import JobState
from tests.supervisor.conftest import Service

pytestmark = pytest.mark.anyio
WAITING = 1000


async def submit(service: Service, caller: str, **script: object) -> str:
    inputs = {"data": await service.upload({"rows": 2, "per_chunk": 2, **script}), "model": await service.upload({})}
    return await service.store.of(Caller(name=caller)).submit(inputs, Options())


@pytest.mark.parametrize("slots", [1, 2])
async def test_a_single_job_starts_within_two_chunks_of_another_callers_thousand(
    service: Service, tmp_path: Path, slots: int
) -> None:
    first = await submit(service, "alice", acts={"0-1": [f"wait:{tmp_path}/go"]}, scratch=str(tmp_path))
    for _ in range(WAITING // 50):
        await asyncio.gather(*(submit(service, "alice") for _ in range(50)))
    async with service.supervisor(worker_slots=slots):
        await service.until((tmp_path / "0-1.0").exists)
        bobs = await submit(service, "bob")
        begun = {job.job_id for job in (await service.store.jobs(limit=2 * WAITING)).jobs if job.started_at}
        (tmp_path / "go").touch()
        assert (await service.ended(bobs)).state is JobState.FINISHED
        started_at = (await service.store.job(bobs)).started_at or 0.0
        jobs = (await service.store.jobs(limit=2 * WAITING)).jobs
    assert (await service.store.job(first)).state is JobState.FINISHED
    between = [job for job in jobs if job.job_id not in begun and job.started_at and job.started_at < started_at]
    assert len(between) <= 2, "of the thousand, at most two began between its submission and its start"
    assert sum(job.state is JobState.QUEUED for job in jobs) > WAITING // 2, "the others were still waiting"
