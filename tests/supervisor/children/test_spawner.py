"""Templates that tell of their forks what is not so: nobody else is signalled, the job ends, the next one is right."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from jobs.states import JobState
from supervisor.children import spawner
from supervisor.children.descendant import HOLDS, Descendant, NotItsChild
from tests.supervisor.conftest import Service
from tests.supervisor.lies import LIES

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not HOLDS, reason="this platform has no pidfds")]


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """In a group of its own, as a child is."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("lie", LIES)
async def test_who_lies_of_its_forks_is_lost(
    service: Service, bystander: subprocess.Popen[bytes], lie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lie.startswith("nothing"):
        monkeypatch.setattr(spawner, "FORK_TIMEOUT_S", 0.5)
        monkeypatch.setattr(spawner, "TELL_TIMEOUT_S", 0.1)
    with structlog.testing.capture_logs() as logs:
        async with service.supervisor(worker_slots=1, chunk_max_attempts=1):
            script = {"rows": 2, "per_chunk": 2, "acts": {"open": ["fail"]}}
            job = await service.ended(await service.submit(script, {"lies": lie, "bystander": bystander.pid}))
            assert job.state is JobState.FAILED
            assert job.error
            good = await service.ended(await service.submit({"rows": 2, "per_chunk": 2}))
            assert await service.values(good) == [0, 1]
            await service.until(lambda: any(line["event"] == "forking_process_disbelieved" for line in logs))
    assert bystander.poll() is None


async def test_a_fork_that_signals_interrupt_needs_no_second_leave(service: Service) -> None:
    """The kernel begins such a fork again, and asks again."""
    with structlog.testing.capture_logs() as logs:
        async with service.supervisor(worker_slots=1, chunk_max_attempts=1, sandbox="auto"):
            script, model = {"rows": 16, "per_chunk": 1}, {"acts": {"load": ["alarms"]}}
            job = await service.ended(await service.submit(script, model))
    assert job.state is JobState.FINISHED, job.error
    assert [line for line in logs if line["event"] == "forking_process_disbelieved"] == []


async def test_only_its_own_children_are_held(bystander: subprocess.Popen[bytes]) -> None:
    with pytest.raises(NotItsChild):
        Descendant.told_by(1, bystander.pid)
    bystander.kill()
    bystander.wait()
    with pytest.raises(ProcessLookupError):
        Descendant.told_by(1, bystander.pid)


async def test_who_has_gone_is_not_signalled_and_neither_is_who_was_released(
    bystander: subprocess.Popen[bytes],
) -> None:
    found = Descendant.told_by(os.getpid(), bystander.pid)
    assert not found.gone
    found.release()
    found.kill()
    assert bystander.poll() is None
    again = Descendant.told_by(os.getpid(), bystander.pid)
    again.kill()
    assert bystander.wait() == -signal.SIGKILL
    assert again.gone
    again.release()


def test_who_leads_no_group_is_killed_alike() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        Descendant.told_by(os.getpid(), process.pid).kill()
        assert process.wait() == -signal.SIGKILL
