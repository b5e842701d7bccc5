"""The same table of numbers, text, booleans, dates, ids and a target in every format: the same values, to the bit.

`MIXED_ROWS=20000 pytest tests/service/test_mixed_tables.py` takes more rows.
"""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from fuzz.workbooks import workbook
from tests.child.support import skops_bytes
from tests.service.conftest import Service, running
from tests.service.test_arrow import APART, PATH

ROWS = int(os.environ.get("MIXED_ROWS", "300"))
RANDOM = np.random.default_rng(5)
FRAME = pd.DataFrame(
    {
        "id": [f"r{row:05}" for row in range(ROWS)],
        "age": RANDOM.normal(40, 10, ROWS),
        "city": RANDOM.choice(["Bern", "Lyon", "Oslo, N", 'the "Hague"'], ROWS),
        "owner": RANDOM.choice([True, False], ROWS),
        "since": pd.date_range("1999-12-31", periods=ROWS).strftime("%Y-%m-%d"),
        "children": RANDOM.integers(0, 5, ROWS),
        "target": RANDOM.normal(size=ROWS),
    }
)
FRAME.loc[::7, "age"] = np.nan
FEATURES = ["age", "city", "owner", "children"]
WRITE = """
import datetime, json, pyarrow as pa, pyarrow.parquet as pq
rows = json.load(open("rows.json"))
for row in rows:
    row["since"] = datetime.date.fromisoformat(row["since"])
table = pa.Table.from_pylist(rows)
pq.write_table(table, "rows.parquet", row_group_size=100)
with pa.ipc.new_file("rows.arrow", table.schema) as file:
    file.write_table(table, max_chunksize=90)
coded = table.set_column(2, "city", table.column("city").dictionary_encode())
with pa.ipc.new_stream("rows.arrows", coded.schema) as file:
    file.write_table(coded, max_chunksize=110)
"""
FORMATS = ("rows.csv.gz", "rows.json", "rows.parquet", "rows.arrow", "rows.arrows", "rows.xlsx")
pytestmark = pytest.mark.skipif(not APART.exists(), reason="make test installs requirements-dask.txt there")


@pytest.fixture(scope="module")
def model() -> bytes:
    steps = ColumnTransformer([("city", OneHotEncoder(sparse_output=False), ["city"])], remainder="passthrough")
    last = HistGradientBoostingRegressor(max_iter=10, max_depth=3)
    target = FRAME["target"] + FRAME["owner"] * 2 + (FRAME["city"] == "Bern") * FRAME["children"]
    return skops_bytes(make_pipeline(steps, last).fit(FRAME[FEATURES], target))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("mixed")
    FRAME.to_json(found / "rows.json", orient="records", double_precision=15)
    records = json.loads((found / "rows.json").read_text())
    text = pd.DataFrame(records).to_csv(index=False)
    (found / "rows.csv").write_text(text)
    (found / "rows.csv.gz").write_bytes(gzip.compress(text.encode()))
    rows = [list(FRAME), *(list(record.values()) for record in records)]
    (found / "rows.xlsx").write_bytes(workbook(rows))
    env = {**os.environ, "PYTHONPATH": PATH}
    subprocess.run([sys.executable, "-c", WRITE], cwd=found, env=env, check=True)
    return found


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    yield from running({"WORKER_SLOTS": "2", "CHILD_MEMORY_MB": "512", "PYTHONPATH": PATH})


def explained(service: Service, model: bytes, data: bytes) -> tuple[np.ndarray, list[str], dict[str, Any]]:
    """Values, ids, and the job."""
    job_id = service.submit(model, data, id_column="id", batch_size=128 if ROWS < 1_000 else 2_000)
    job = service.ended(job_id)
    assert job["status"] == "finished", job["error"]
    return service.values(job_id), service.http.get(f"/jobs/{job_id}/ids").json()["ids"], job


def test_every_format_gives_the_same_values(service: Service, model: bytes, directory: Path) -> None:
    wanted, ids, job = explained(service, model, (directory / "rows.csv").read_bytes())
    assert wanted.shape == (ROWS, len(FEATURES))
    assert ids == list(FRAME["id"])
    assert np.abs(wanted).sum(0).all()
    for name in FORMATS:
        values, found, other = explained(service, model, (directory / name).read_bytes())
        assert np.array_equal(values, wanted), name
        assert found == ids, name
        assert other["warnings"] == job["warnings"], name
