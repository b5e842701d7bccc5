"""A machine that fills up: a supervisor with scripted children in a small cgroup, and a balloon beside them."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs import heartbeats
from jobs.outcomes import Attempt, Outcome
from jobs.settings import MIB
from jobs.states import JobState
from tests.memory.cgroup import Cgroup
from tests.memory.conftest import Machine, machine, scripted_command
from tests.supervisor.conftest import Service

pytestmark = pytest.mark.anyio
LIMIT_MB, CAP_MB, HELD_MB = 256, 96, 60


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def service(valkey_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    service = Service(valkey_url, tmp_path / "models")
    yield service
    await service.redis.aclose()


@pytest.fixture
def small(cgroups: Path, valkey_url: str, tmp_path: Path) -> Iterator[Machine]:
    """One slot, ready to work."""
    env = {"CHILD_MEMORY_MB": str(CAP_MB), "WORKER_SLOTS": "1", "REDIS_URL": valkey_url}
    with machine(cgroups, tmp_path, LIMIT_MB, **env, MODEL_CACHE_DIR=str(tmp_path / "models")) as found:
        found.start("supervisor", scripted_command())
        found.until(lambda: found.events("supervisor", "supervisor_ready"))
        yield found


class Balloon:
    """Fills the cgroup to a share of its limit."""

    def __init__(self, group: Cgroup) -> None:
        self._group = group
        command = [sys.executable, "-P", str(Path(__file__).with_name("balloon.py"))]
        self._process = subprocess.Popen(
            group.enter(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._held_mb = 0
        self.hold(0)

    def hold(self, megabytes: int) -> None:
        """No less than nothing."""
        self._held_mb = max(0, megabytes)
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{self._held_mb}\n")
        assert int(self._process.stdout.readline()) == self._held_mb

    def fill(self, share: float, less_mb: int = 0) -> None:
        """Exactly, but for a megabyte."""
        wanted = int(share * LIMIT_MB) - less_mb
        self.hold(self._held_mb + wanted - self._group.in_use_bytes // MIB)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def balloon(small: Machine) -> Iterator[Balloon]:
    found = Balloon(small.group)
    with contextlib.closing(found):
        yield found


async def nearly_full(service: Service, expected: bool) -> None:
    async def told() -> bool:
        return [state["nearly_full"] for state in await heartbeats.snapshots(service.redis)] == [expected]

    await service.until(told)


async def marked(service: Service, job_id: str) -> list[Attempt]:
    attempts = await service.store.attempts(job_id)
    return [attempt for attempt in attempts if attempt.outcome is not Outcome.SUCCEEDED]


async def test_nothing_starts_while_the_machine_is_nearly_full(
    service: Service, small: Machine, balloon: Balloon
) -> None:
    balloon.fill(0.945)
    await nearly_full(service, True)
    job_id = await service.submit({})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(service.ended(job_id), 1.5)
    assert not await service.store.attempts(job_id)
    balloon.hold(0)
    job = await service.ended(job_id)
    assert job.state is JobState.FINISHED
    assert small.group.oom_kills == 0


async def test_before_the_machine_is_full_the_largest_child_goes(
    service: Service, small: Machine, balloon: Balloon, tmp_path: Path
) -> None:
    """Its chunk goes back halved, and the message tells that it was not the cap."""
    go_on = tmp_path / "go-on"
    script: dict[str, Any] = {"acts": {"0-1": [f"hold_until:{HELD_MB},{go_on}"]}, "scratch": str(tmp_path)}
    job_id = await service.submit(script)
    await service.until(Path(f"{go_on}.held").exists)
    balloon.fill(0.98)
    await service.until(lambda: small.events("supervisor", "machine_full"))
    balloon.hold(0)
    job = await service.ended(job_id)
    assert job.state is JobState.FINISHED, job.error
    assert await service.values(job) == [0, 1, 2, 3]
    (killed,) = await marked(service, job_id)
    assert (killed.chunk, killed.outcome, killed.code) == ("0-1", Outcome.MEMORY_WATCH, "machine_full")
    assert "nearly full" in str(killed.message)
    assert killed.evidence.peak_bytes is not None
    assert HELD_MB * MIB <= killed.evidence.peak_bytes < CAP_MB * MIB
    assert job.chunks == 3  # two halves in its place
    assert small.group.oom_kills == 0
    assert not small.ended("supervisor")


async def test_what_the_kernel_kills_is_named_so(
    service: Service, small: Machine, balloon: Balloon, tmp_path: Path
) -> None:
    """The supervisor is stopped meanwhile, so that it cannot come first."""
    go_on = tmp_path / "go-on"
    script = {"acts": {"0-1": [f"wait_and_hold:{HELD_MB},{go_on}"]}, "scratch": str(tmp_path)}
    job_id = await service.submit(script)
    await service.until(Path(f"{go_on}.waits").exists)
    supervisor = small.events("supervisor", "supervisor_ready") and small.pid("supervisor")
    os.kill(supervisor, signal.SIGSTOP)
    balloon.fill(1.0, less_mb=HELD_MB // 2)
    go_on.touch()
    await service.until(lambda: small.group.oom_kills)
    balloon.hold(0)
    os.kill(supervisor, signal.SIGCONT)
    job = await service.ended(job_id)
    assert job.state is JobState.FINISHED, job.error
    (killed,) = await marked(service, job_id)
    assert (killed.chunk, killed.outcome) == ("0-1", Outcome.OOM_KILLED)
    assert killed.evidence.signal == "SIGKILL"
    assert "kernel" in str(killed.message)
    assert small.group.oom_kills == 1
