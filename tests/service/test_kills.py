"""kill -9 of each process in the middle of a job: it still finishes, with the right values."""

import os
import signal

import httpx2
import numpy as np
import psutil
import pytest
import shap
import skops.io
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier

from tests.service.conftest import Service, npy

ROWS, PER_CHUNK = 400, 10


@pytest.fixture(scope="module")
def slow() -> tuple[bytes, np.ndarray, np.ndarray]:
    """A forest whose chunks take about a tenth of a second each, its rows and their values."""
    x, y = make_classification(1000, 20, n_informative=10, random_state=0)
    model = RandomForestClassifier(60, max_depth=14, random_state=0).fit(x, y)
    return skops.io.dumps(model), x[:ROWS], shap.TreeExplainer(model).shap_values(x[:ROWS])


def victim(service: Service, name: str) -> int:
    """A process by its place in the tree: supervisor -> forkserver -> template -> child."""
    if name in service.stack.pids:
        return service.stack.pids[name]
    depth = {"forkserver": 1, "template": 2, "child": 3}[name]
    found: list[psutil.Process] = service.until(lambda: _below(service.stack.pids["supervisor"], depth))
    return found[0].pid


def _below(pid: int, depth: int) -> list[psutil.Process]:
    """Living processes so many generations below."""
    try:
        generation = [psutil.Process(pid)]
        for _ in range(depth):
            generation = [child for parent in generation for child in parent.children()]
        return [process for process in generation if process.status() != psutil.STATUS_ZOMBIE]
    except psutil.NoSuchProcess:
        return []


@pytest.mark.parametrize("name", ["child", "template", "forkserver", "supervisor", "web"])
def test_a_job_survives_kill_9_of_its(service: Service, slow: tuple[bytes, np.ndarray, np.ndarray], name: str) -> None:
    model, rows, expected = slow
    job_id = service.submit(model, npy(rows), batch_size=PER_CHUNK)
    service.until(lambda: service.job(job_id)["rows_done"])
    while True:
        try:
            os.kill(victim(service, name), signal.SIGKILL)
            break
        except ProcessLookupError:  # a child that was done in this moment
            assert service.job(job_id)["status"] == "started"
    if name == "web":
        service.until(lambda: _answers(service))
    job = service.ended(job_id)
    assert job["status"] == "finished", job["error"]
    assert job["rows_done"] == ROWS
    np.testing.assert_allclose(service.values(job_id), expected, rtol=0, atol=1e-6)


def _answers(service: Service) -> bool:
    try:
        return bool(service.http.get("/livez").status_code == 200)
    except httpx2.TransportError:
        return False
