"""The whole service: embedded Valkey, supervisor and web app as real processes, spoken to over HTTP."""

import io
import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import numpy as np
import psutil
import pytest

from cli.stack import Stack
from tests.processes import gone

LIMIT_S = 60.0


class Service:
    """A running stack and a client for it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.http = httpx2.Client(base_url=stack.url, timeout=LIMIT_S)

    def submit(self, model: bytes, data: bytes, background: bytes | None = None, **options: Any) -> str:
        files: dict[str, Any] = {"model": ("model", model), "data": ("data", data)}
        if background is not None:
            files["background"] = ("background", background)
        answer = self.http.post("/analyze", files=files, data={"options": json.dumps(options)})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/jobs/{job_id}").raise_for_status().json()
        return found

    def ended(self, job_id: str) -> dict[str, Any]:
        job = self.until(lambda: self.job(job_id) if self.job(job_id)["ended_at"] else None)
        return dict(job)

    def values(self, job_id: str) -> np.ndarray:
        answer = self.http.get(f"/jobs/{job_id}/result", headers={"Accept": "application/x-npy"})
        assert answer.status_code == 200, answer.text
        return np.load(io.BytesIO(answer.content))

    def until(self, condition: Callable[[], Any]) -> Any:
        """Poll, bounded; what has died meanwhile is started again, as `up` does it."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            self.stack.tend(lambda _: None)
            if found := condition():
                return found
            time.sleep(0.05)
        raise TimeoutError


def running(env: dict[str, str]) -> Iterator[Service]:
    with Stack({**os.environ, **env}, private=True) as stack:
        service = Service(stack)
        yield service
        ours = [psutil.Process(pid) for pid in stack.pids.values()]
        ours += [child for process in ours for child in process.children(recursive=True)]
    assert all(map(gone, ours)), "processes were left behind"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    yield from running({"LEASE_S": "3", "CHILD_MEMORY_MB": "512", "WORKER_SLOTS": "2"})


@pytest.fixture(scope="module")
def narrow_service() -> Iterator[Service]:
    yield from running({"CHILD_MEMORY_MB": "56", "WORKER_SLOTS": "2"})


def npy(rows: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, rows)
    return buffer.getvalue()


def csv(columns: list[str], rows: Any) -> bytes:
    lines = [",".join(columns), *(",".join(map(repr, map(float, row))) for row in rows)]
    return "\n".join(lines).encode()
