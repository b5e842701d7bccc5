"""The web process and the supervisor stay small, whatever goes through them; and what they log is JSON."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import xgboost

from tests.service.conftest import Service, npy, running

MIB = 1024 * 1024
MOST_BYTES = 80 * MIB
ROWS, FEATURES = 60_000, 30


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    yield from running({"CHILD_MEMORY_MB": "512", "WORKER_SLOTS": "2", "SHAP_BATCH_SIZE": "2000"})


class Sampler(threading.Thread):
    """The most resident memory of some processes, while it runs."""

    def __init__(self, pids: dict[str, int]) -> None:
        super().__init__(daemon=True)
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._over = threading.Event()
        self.peaks = dict.fromkeys(pids, 0)

    def run(self) -> None:
        while not self._over.wait(0.02):
            for name, process in self._processes.items():
                self.peaks[name] = max(self.peaks[name], process.memory_info().rss)

    def stop(self) -> dict[str, int]:
        self._over.set()
        self.join()
        return self.peaks


def test_web_and_supervisor_stay_below_80_mb_under_a_large_job(service: Service) -> None:
    x = np.random.default_rng(0).normal(size=(ROWS, FEATURES))
    model = xgboost.XGBRegressor(n_estimators=5, max_depth=3, n_jobs=1).fit(x[:500], x[:500, 0])
    sampler = Sampler({name: pid for name, pid in service.stack.pids.items() if name != "store"})
    sampler.start()
    job_id = service.submit(bytes(model.get_booster().save_raw("json")), npy(x))
    assert service.ended(job_id)["status"] == "finished"
    assert service.values(job_id).shape == (ROWS, FEATURES)
    peaks = sampler.stop()
    assert set(peaks) == {"supervisor", "web"}
    assert max(peaks.values()) < MOST_BYTES, peaks


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs /proc")
def test_trees_are_explained_by_processes_without_the_scientific_stack(service: Service) -> None:
    """What children are forked from stays below 50 MB, a child adds at most 10, and nothing heavier is ever started."""
    x = np.random.default_rng(1).normal(size=(500, 50))
    model = xgboost.XGBRegressor(n_estimators=100, max_depth=6, n_jobs=1).fit(x, x[:, 0] * x[:, 1])
    job = service.ended(service.submit(bytes(model.get_booster().save_raw("json")), npy(x)))
    assert job["status"] == "finished"
    assert job["peak_child_bytes"] < 10 * MIB
    (supervisor,) = service.http.get("/admin/memory").json()["supervisors"]
    assert supervisor["full_forkserver"] is None
    assert psutil.Process(supervisor["forkserver"]["pid"]).memory_info().rss < 50 * MIB
    assert "exact trees" in job["engine"]


def test_a_dry_run_answers_with_a_forecast_and_computes_nothing(service: Service) -> None:
    x = np.random.default_rng(0).normal(size=(5_000, FEATURES))
    model = xgboost.XGBRegressor(n_estimators=5, max_depth=3, n_jobs=1).fit(x[:500], x[:500, 0])
    files = {"model": bytes(model.get_booster().save_raw("json")), "data": npy(x)}
    answer = service.http.post("/analyze?dry_run=1", files=files)
    assert answer.status_code == 200, answer.text
    forecast = answer.json()
    assert (forecast["rows"], forecast["rows_per_chunk"], forecast["chunks"]) == (5_000, 2_000, 3)
    assert 0 < forecast["bytes_per_chunk"] < forecast["room_bytes"]
    assert forecast["seconds"] > 0
    result = service.http.get(f"/jobs/{forecast['job_id']}/result")
    assert (result.status_code, result.json()["code"]) == (409, "no_result")
    broken = service.http.post("/analyze?dry_run=1", files={**files, "data": npy(x[:, :5])})
    assert broken.status_code == 422, broken.text


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_neither_has_loaded_a_numerical_library(service: Service) -> None:
    for name in ("supervisor", "web"):
        mapped = Path(f"/proc/{service.stack.pids[name]}/maps").read_text()
        assert not [library for library in ("numpy", "scipy", "sklearn", "xgboost", "shap") if library in mapped]


def test_every_log_line_is_a_json_object(service: Service) -> None:
    service.http.get("/jobs")
    lines = (service.stack.directory / "service.log").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert all({"timestamp", "level", "event"} <= set(record) for record in records)
    ended = next(record for record in records if record["event"] == "attempt_ended")
    assert {"job_id", "chunk", "attempt", "child_pid", "outcome", "peak_bytes", "cap_bytes", "seconds"} <= set(ended)
    assert any("path" in record for record in records), "requests are logged"
    assert any("Uvicorn" in str(record["event"]) or "Application" in str(record["event"]) for record in records)
