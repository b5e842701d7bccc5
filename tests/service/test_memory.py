"""Flat in rows: ten times the rows, the same memory; and a small store that carries more than it holds.

`python -m bench --only memory` measures the same with 2,000,000 rows.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import redis
import xgboost

from bench.memory import Memory, fetch, measure_in_turn, submit
from bench.tables import FEATURES, FORMATS, environment, table
from tests.service.conftest import Service, npy, running

MIB = 1024 * 1024
FEW, MANY = 10_000, {"npy": 100_000, "csv": 100_000}
STAY = 50_000
"""Rows of tables that stay in the store until their job has ended, as every chunk reads all over them."""
GROWTH = 0.05
SMALL_STORE_BYTES = 6 * MIB

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="samples /proc")


@pytest.fixture(scope="module")
def model() -> bytes:
    random = np.random.default_rng(3)
    x = random.normal(size=(500, FEATURES))
    return bytes(xgboost.XGBRegressor(n_estimators=5, max_depth=2).fit(x, x[:, 0]).get_booster().save_raw("json"))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", FORMATS)
def test_memory_does_not_grow_with_the_rows(model: bytes, kind: str) -> None:
    rows = MANY.get(kind, STAY)
    few, many = measure_in_turn(model, (FEW, rows), kind, CHILD_MEMORY_MB="512", **environment())
    for name in ("web", "supervisor", "children"):
        before, after = getattr(few, name), getattr(many, name)
        assert after <= before * (1 + GROWTH), f"{name}: {before / MIB:.1f} -> {after / MIB:.1f} MiB"
    assert many.result_bytes > rows * FEATURES * 8
    assert kind not in MANY or held_once(few, many)


def held_once(few: Memory, many: Memory) -> bool:
    """The store's memory grows by the rows or by their values (which are as large), not by both."""
    one = (many.rows - few.rows) * FEATURES * 8
    assert many.store - few.store < 1.3 * one, f"{(many.store - few.store) / one:.2f} times the rows"
    return True


@pytest.fixture
def service_with_files(tmp_path: Path) -> Iterator[Service]:
    url = f"file://{tmp_path}/blobs"
    yield from running({"CHILD_MEMORY_MB": "512", "WORKER_SLOTS": "2", "BLOB_URL": url, "MAX_UPLOAD_MB": "100"})


def test_a_small_store_carries_a_large_job(service_with_files: Service, model: bytes, tmp_path: Path) -> None:
    """40 MB in and out through a store that has room for six."""
    stack = service_with_files.stack
    with redis.Redis(unix_socket_path=str(stack.directory / "valkey.sock")) as store:
        store.config_set("maxmemory", store.info("memory")["used_memory"] + SMALL_STORE_BYTES)
        rows = 100_000
        job_id = submit(stack.url, model, table(rows, "npy"))
        job = service_with_files.ended(job_id)
        assert job["status"] == "finished", job
        assert fetch(stack.url, job_id) > rows * FEATURES * 8
        assert sum(path.stat().st_size for path in files(tmp_path, "uploads/*/*")) < MIB, "rows leave with their values"
        answer = service_with_files.http.delete(f"/jobs/{job_id}/result")
        assert answer.status_code == 204
        assert "errorstat_OOM" not in store.info("errorstats")
    assert memory(stack.pids["web"]) < 80 * MIB
    assert memory(stack.pids["supervisor"]) < 80 * MIB


def files(directory: Path, pattern: str) -> list[Path]:
    return list((directory / "blobs").glob(pattern))


def memory(pid: int) -> int:
    """The most that a process ever had resident, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024


def test_values_through_files(service_with_files: Service, model: bytes, tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(1200, FEATURES))
    job_id = service_with_files.submit(model, npy(rows), batch_size=500)
    service_with_files.ended(job_id)
    booster = xgboost.Booster(model_file=bytearray(model))
    expected = booster.predict(xgboost.DMatrix(rows), pred_contribs=True)[:, :-1]
    assert np.abs(service_with_files.values(job_id) - expected).max() < 1e-5
    assert [path.parent.name.split(".")[0] for path in sorted(files(tmp_path, "results/*/*/*"))]
    assert os.listdir(tmp_path) == ["blobs"]
