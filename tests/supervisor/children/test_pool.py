"""Where a model is loaded: lean, full, or turned into arrays by one and read by the other; and what that may take."""

from pathlib import Path
from typing import Any

import psutil
import pytest

from jobs.options import Options
from jobs.outcomes import Outcome
from jobs.records import JobState
from jobs.settings import MIB
from supervisor import daemon as daemons
from supervisor.children import stacks
from supervisor.children.ensembles import Ensembles
from tests.supervisor.conftest import Service

pytestmark = pytest.mark.anyio


def notes(scratch: Path) -> list[str]:
    return (scratch / "notes").read_text().split()


def limit_mb(room_mb: int) -> int:
    """A limit that leaves so much beside this process, which is the supervisor here."""
    return psutil.Process().memory_info().rss // MIB + room_mb


async def finished(service: Service, model: dict[str, Any], explainer: Any = "auto") -> None:
    job = await service.ended(await service.submit({"rows": 4}, model, Options(explainer=explainer)))
    assert job.state is JobState.FINISHED, job.error


async def test_trees_are_turned_into_arrays_once_and_explained_lean(service: Service, tmp_path: Path) -> None:
    model = {"converts": "lean", "scratch": str(tmp_path)}
    async with service.supervisor() as daemon:
        await finished(service, model)
        await finished(service, model, explainer="tree")  # another template, the same arrays
        assert daemon._pool.full.forkserver is None
    assert notes(tmp_path) == ["converted", "ready-lean", "ready-lean"]
    async with service.supervisor("next"):
        await finished(service, model)
    assert notes(tmp_path)[3:] == ["ready-lean"]


async def test_what_only_a_full_process_can_read_is_explained_lean_nevertheless(
    service: Service, tmp_path: Path
) -> None:
    async with service.supervisor() as daemon:
        await finished(service, {"converts": "full", "scratch": str(tmp_path)})
        assert [template.stack for template in daemon._pool.templates] == ["lean"]
    assert notes(tmp_path) == ["converted", "ready-lean"]


async def test_what_is_not_made_of_trees_is_explained_in_a_full_process(service: Service, tmp_path: Path) -> None:
    async with service.supervisor() as daemon:
        await finished(service, {"needs": "full", "scratch": str(tmp_path)})
        assert [template.stack for template in daemon._pool.templates] == ["full"]
    assert notes(tmp_path) == ["ready-full"]


async def test_a_template_that_lives_is_not_looked_for_among_the_files(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their directory may hold thousands, and each chunk would search it."""
    asked: list[Any] = []
    find = Ensembles.find
    monkeypatch.setattr(Ensembles, "find", lambda own, parts: asked.append(parts) or find(own, parts))
    model = {"needs": "full", "scratch": str(tmp_path)}
    async with service.supervisor():
        await finished(service, model)
        assert asked
        asked.clear()
        await finished(service, model)
    assert not asked


async def test_trees_that_are_to_be_explained_otherwise_are_read_again_in_full(
    service: Service, tmp_path: Path
) -> None:
    model = {"converts": "full", "needs_for": {"kernel": "full"}, "scratch": str(tmp_path)}
    async with service.supervisor():
        await finished(service, model)
        await finished(service, model, explainer="kernel")
        await finished(service, model, explainer="kernel")
    assert notes(tmp_path) == ["converted", "ready-lean", "ready-full"]


async def test_arrays_that_went_bad_are_forgotten(service: Service, tmp_path: Path) -> None:
    model = {"converts": "lean", "scratch": str(tmp_path)}
    async with service.supervisor():
        await finished(service, model)
        (file,) = service.model_cache.glob("*.trees")
        file.write_text("garbage")
        await finished(service, model, explainer="tree")
    assert notes(tmp_path) == ["converted", "ready-lean", "converted", "ready-lean"]


@pytest.mark.parametrize("how", ["suited", "readable", "arrays"])
async def test_a_process_that_never_gets_ready_is_not_asked_for_ever(service: Service, how: str) -> None:
    async with service.supervisor(chunk_max_attempts=1):
        job = await service.ended(await service.submit({"rows": 4}, {"never": how}))
        assert job.error
        assert (job.state, job.error.code) == (JobState.FAILED, "crashed")
        await finished(service, {"n": 1})


async def test_the_full_forkserver_goes_when_nothing_needs_it(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemons, "AGGRESSIVE_IDLE_S", 0.1)
    async with service.supervisor() as daemon:
        await finished(service, {"needs": "full"})
        pool = daemon._pool
        assert pool.full.forkserver
        process = psutil.Process(pool.full.forkserver.warm.pid)
        await service.until(lambda: not process.is_running())
        await service.until(lambda: pool.budget.reserved == 0)
        assert pool.full.forkserver is None
        await finished(service, {"needs": "full"})


async def test_jobs_of_both_kinds_share_what_holds_only_one_at_a_time(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the full forkserver up there is room for one child, and for none of the lean ones beside it."""
    monkeypatch.setattr(stacks, "FULL_STACK_BYTES", 100 * MIB)
    async with service.supervisor(memory_limit_mb=limit_mb(300), child_memory_mb=120) as daemon:
        most = 0
        jobs = [
            await service.submit({"rows": 4, "per_chunk": 2}, {"needs": "full"} if index % 2 else {"n": index})
            for index in range(8)
        ]
        for job_id in jobs:
            job = await service.ended(job_id)
            assert job.state is JobState.FINISHED, job.error
            most = max(most, daemon._pool.budget.reserved)
        assert most <= daemon._pool.budget.total


async def test_who_waits_for_the_libraries_does_not_hold_up_who_waits_for_their_room(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each model is converted by a full process and then wants the room that this takes, while another waits for it."""
    monkeypatch.setattr(stacks, "FULL_STACK_BYTES", 150 * MIB)
    async with service.supervisor(memory_limit_mb=limit_mb(300), child_memory_mb=120):
        jobs = [await service.submit({"rows": 4}, {"converts": "full", "n": index}) for index in range(6)]
        for job_id in jobs:
            job = await service.ended(job_id)
            assert job.state is JobState.FINISHED, job.error


async def test_beside_the_libraries_caps_are_narrow_and_whole_for_those_who_need_it(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The libraries stay for a job that fits beside them; for one that does not, they go."""
    monkeypatch.setattr(stacks, "FULL_STACK_BYTES", 150 * MIB)
    settings = {"memory_limit_mb": limit_mb(300), "child_memory_mb": 140, "worker_slots": 1}
    async with service.supervisor(work_module="tests.supervisor.heavy", **settings) as daemon:
        await finished(service, {"needs": "full"})
        libraries = daemon._pool.full.forkserver
        assert libraries
        job = await service.ended(await service.submit({"rows": 2}))
        assert job.cap_bytes < 120 * MIB
        assert daemon._pool.full.forkserver is libraries
        acts = {"0-1": ["hold:120"]}
        job_id = await service.submit({"rows": 2, "acts": acts, "scratch": str(tmp_path)}, {"n": 1})
        job = await service.ended(job_id)
        assert job.state is JobState.FINISHED, job.error
        outcomes = [attempt.outcome for attempt in await service.store.attempts(job_id)]
        assert (outcomes[0], set(outcomes[1:])) == (Outcome.MEMORY_CAP, {Outcome.SUCCEEDED})
        assert daemon._pool.full.forkserver is None


async def test_without_room_for_the_libraries_the_job_says_so(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "FULL_STACK_BYTES", 300 * MIB)
    async with service.supervisor(memory_limit_mb=limit_mb(300), worker_slots=1):
        job = await service.ended(await service.submit({"rows": 4}, {"needs": "full"}))
        assert job.error
        assert job.error.code == "no_room"
        assert "300 MB" in job.error.message
        await finished(service, {})


async def test_a_full_forkserver_that_dies_is_started_again(service: Service) -> None:
    async with service.supervisor() as daemon:
        await finished(service, {"needs": "full"})
        forkserver = daemon._pool.full.forkserver
        assert forkserver
        psutil.Process(forkserver.warm.pid).kill()
        await service.until(lambda: forkserver.lost)  # before that its template may still answer
        await finished(service, {"needs": "full"})
        assert daemon._pool.full.forkserver
        assert daemon._pool.full.forkserver is not forkserver


async def test_the_libraries_go_when_no_full_template_is_used_whatever_the_lean_ones_do(service: Service) -> None:
    async with service.supervisor() as daemon:
        await finished(service, {"needs": "full"})
        await finished(service, {"n": 1})
        pool = daemon._pool
        templates = {template.stack: template for template in pool.templates}
        templates["full"].users += 1
        await pool.evict(0)
        assert pool.full.forkserver, "somebody still needs it"
        templates["full"].users -= 1
        await finished(service, {"n": 1})
        (lean,) = (template for template in pool.templates if template.stack == "lean")
        lean.users += 1
        await pool.evict(0)
        assert pool.full.forkserver is None
        assert lean in pool.templates
        lean.users -= 1
