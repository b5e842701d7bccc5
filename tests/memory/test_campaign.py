"""A service on a machine of 512 MB, under mixed jobs of which every tenth wants 2 GB: nobody dies but the greedy.

MEMORY_PROOF_JOBS sets how many jobs there are (`make memory-proof`: 1,000).
"""

import io
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from cli.processes import module_command
from jobs.settings import MIB
from tests.memory.campaign import TOLERANCE, Submission, form, mixed
from tests.memory.conftest import LIMIT_S, Machine, machine
from tests.ports import free_port

LIMIT_MB = 512
JOBS = int(os.environ.get("MEMORY_PROOF_JOBS", "60"))
GREEDY = JOBS // 10
MOST_OVERSHOOT = 0.10
NAMES = {"memory_cap", "memory_watch", "machine_full", "oom_killed", "no_room"}
REFUSED = {"greedy with-friends.pkl": {"unreadable_model"}}
"""What loads starts no process in the sandbox; where the kernel has none, memory is the end of these, too."""
START_S, JOB_S = 240.0, 3.0
"""Bounds, not goals: to import the libraries takes 3 s on an idle machine, and a minute on one that is not."""


class Service:
    """Web app and supervisor in the cgroup."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        port = free_port()
        machine.env |= {"HOST": "127.0.0.1", "PORT": str(port)}
        self.http = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=LIMIT_S)
        self.most_in_use_bytes = 0
        self.web = machine.start("web", module_command("api"))
        machine.until(lambda: self._answers("/livez"))
        self.supervisor = machine.start("supervisor", module_command("supervisor"))
        machine.until(lambda: self._answers("/readyz"))

    def submit(self, submission: Submission) -> str:
        files, fields = form(submission)
        answer = self.http.post("/analyze", files=files, data=fields)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def ended(self, job_id: str, limit_s: float) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            self.most_in_use_bytes = max(self.most_in_use_bytes, self.machine.group.in_use_bytes)
            job: dict[str, Any] = self.http.get(f"/jobs/{job_id}").raise_for_status().json()
            return job if job["ended_at"] else None

        found: dict[str, Any] = self.machine.until(ended, limit_s)
        return found

    def values(self, job_id: str) -> Any:
        answer = self.http.get(f"/jobs/{job_id}/result", headers={"Accept": "application/x-npy"})
        return np.load(io.BytesIO(answer.raise_for_status().content))

    def _answers(self, path: str) -> bool:
        try:
            return bool(self.http.get(path).status_code == 200)
        except httpx2.TransportError:
            return False


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    directory = tmp_path / "trusted"
    directory.mkdir()
    return directory


@pytest.fixture
def service(cgroups: Path, valkey_url: str, tmp_path: Path, trusted: Path) -> Iterator[Service]:
    env = {"REDIS_URL": valkey_url, "TRUSTED_MODEL_DIR": str(trusted), "MODEL_CACHE_DIR": str(tmp_path / "models")}
    with machine(cgroups, tmp_path, LIMIT_MB, **env) as found:
        yield Service(found)


@pytest.mark.slow
@pytest.mark.timeout(2 * (START_S + JOBS * JOB_S))
def test_no_job_takes_a_small_machine_down(service: Service, trusted: Path) -> None:
    submitted = [(submission, service.submit(submission)) for submission in mixed(JOBS, GREEDY, trusted)]
    ends = [(submission, service.ended(job_id, START_S + JOBS * JOB_S)) for submission, job_id in submitted]
    attempts = service.machine.events("supervisor", "attempt_ended")
    report(service, ends, attempts)
    for submission, job in ends:
        if submission.expected is None:
            names = NAMES | REFUSED.get(submission.kind, set())
            assert (job["status"], job["error"]["code"] in names) == ("failed", True), (submission.kind, job)
        else:
            assert job["status"] == "finished", (submission.kind, job)
            values = service.values(job["job_id"])
            scale = max(1.0, float(np.abs(submission.expected).max()))
            np.testing.assert_allclose(values, submission.expected, rtol=0, atol=TOLERANCE * scale)
    assert service.machine.pid("web") == service.web
    assert service.machine.pid("supervisor") == service.supervisor
    assert not service.machine.ended("web")
    assert not service.machine.ended("supervisor")
    assert service.machine.group.oom_kills == 0
    assert largest_overshoot(attempts) <= MOST_OVERSHOOT


def shares(attempts: list[dict[str, Any]]) -> list[float]:
    """Of its cap, what each attempt took at its peak."""
    return [attempt["peak_bytes"] / attempt["cap_bytes"] for attempt in attempts if attempt.get("cap_bytes")]


def largest_overshoot(attempts: list[dict[str, Any]]) -> float:
    return max(0.0, max(shares(attempts)) - 1)


def report(service: Service, ends: list[tuple[Submission, dict[str, Any]]], attempts: list[dict[str, Any]]) -> None:
    """For whoever reads the test's output."""
    causes = Counter((submission.kind, (job["error"] or {}).get("code", "finished")) for submission, job in ends)
    for (kind, cause), count in sorted(causes.items()):
        print(f"{kind:32} {cause:16} {count:5}")
    print("attempts:", dict(Counter(attempt["outcome"] for attempt in attempts)))
    for event in ("child_over_cap", "machine_full", "forkserver_let_go", "forkserver_lost"):
        print(f"{event}: {len(service.machine.events('supervisor', event))}")
    print(service.machine.events("supervisor", "memory_plan")[0]["arithmetic"])
    print(f"most in use: {service.most_in_use_bytes / MIB:.0f} of {LIMIT_MB} MB")
    print(f"largest share of a cap: {max(shares(attempts)):.3f}; the kernel's kills: {service.machine.group.oom_kills}")
