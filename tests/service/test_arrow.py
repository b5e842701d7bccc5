"""Over HTTP: the same table as Parquet, Arrow and Excel, in a service that has the extra `tables`.

pyarrow lies apart (requirements-dask.in says why): files are written by a process of its own.
"""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
import xgboost

from fuzz.workbooks import SHEET, workbook
from tests.service.conftest import Service, csv, running

APART = Path(sys.prefix) / "dask"
PATH = os.pathsep.join([str(APART), os.environ.get("PYTHONPATH", "")])
pytestmark = pytest.mark.skipif(not APART.exists(), reason="make test installs requirements-dask.txt there")
ROWS, COLUMNS = 3_000, [f"c{place}" for place in range(5)]
X = np.random.default_rng(3).normal(size=(ROWS, len(COLUMNS)))
X[:, 3] = X[:, 3].round() > 0
X[::7, 2] = np.nan
MODEL = xgboost.train(
    {"nthread": 1, "max_depth": 3}, xgboost.DMatrix(X, X[:, 0] * X[:, 1] + X[:, 3], feature_names=COLUMNS), 10
)
RIGHT = MODEL.predict(xgboost.DMatrix(X, feature_names=COLUMNS), pred_contribs=True)[:, :-1]
WRITE = """
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
x = np.load("x.npy")
columns = {f"c{place}": pa.array(x[:, place], from_pandas=True) for place in range(5)}
columns["c3"] = pa.array(x[:, 3] > 0)
columns = {"id": pa.array([f"r{row}" for row in range(len(x))]), **dict(reversed(columns.items()))}
table = pa.table(columns)
pq.write_table(table, "groups.parquet", row_group_size=700)
pq.write_table(table, "one group.parquet", compression="zstd")
pq.write_table(table.replace_schema_metadata({}).set_column(1, "c4", pa.array(["red"] * len(x))), "text.parquet")
for name, size in (("batches.arrow", 700), ("one batch.arrow", None)):
    with pa.ipc.new_file(name, table.schema) as file:
        file.write_table(table, max_chunksize=size)
words = table.column("c4").cast(pa.string()).dictionary_encode()
with pa.ipc.new_stream("batches.arrows", table.schema) as file:
    file.write_table(table, max_chunksize=700)
with pa.ipc.new_stream("words lz4.arrows", table.set_column(1, "c4", words).schema,
                       options=pa.ipc.IpcWriteOptions(compression="lz4")) as file:
    file.write_table(table.set_column(1, "c4", words).combine_chunks(), max_chunksize=1000)
many = pa.table({name: pa.nulls(900_000, pa.float64()) for name in table.schema.names[1:]})
with pa.ipc.new_stream("one batch.arrows", many.schema) as file:
    file.write_table(many)
pq.write_table(many.slice(0, 160_000), "large.parquet")
numbered = table.set_column(0, "id", pa.array(range(2**60, 2**60 + len(x))))
pq.write_table(numbered, "numbered.parquet")
with pa.ipc.new_file("lz4.arrow", table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as file:
    file.write_table(table, max_chunksize=1000)
"""


PARQUET = "application/vnd.apache.parquet"
READ = """
import json, numpy as np, pyarrow.parquet as pq
table = pq.read_table("out.parquet")
np.save("out.npy", np.column_stack([table.column(name) for name in table.schema.names[3:]]))
ids = table.column("id")
found = {"names": table.schema.names, "id": str(ids.type), "ids": [ids[0].as_py(), len(ids.unique())]}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("arrow")
    np.save(found / "x.npy", X)
    env = {**os.environ, "PYTHONPATH": PATH}
    subprocess.run([sys.executable, "-c", dedent(WRITE)], cwd=found, env=env, check=True)
    (found / "rows.csv").write_bytes(csv(COLUMNS, X))
    rows = [[None if np.isnan(cell) else float(cell) for cell in row] for row in X]
    (found / "rows.xlsx").write_bytes(workbook([COLUMNS, *rows]))
    return found


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    yield from running({"WORKER_SLOTS": "2", "CHILD_MEMORY_MB": "256", "PYTHONPATH": PATH})


def explain(service: Service, data: bytes, **options: Any) -> Any:
    files = {"model": bytes(MODEL.save_raw("json")), "data": data}
    headers = {"Prefer": "wait=50", "Accept": "application/x-npy"}
    return service.http.post("/analyze", files=files, data={"options": json.dumps(options)}, headers=headers)


@pytest.mark.parametrize(
    "name",
    [
        *("groups.parquet", "one group.parquet", "batches.arrow", "one batch.arrow", "lz4.arrow"),
        *("batches.arrows", "words lz4.arrows", "rows.csv"),
    ],
)
def test_the_same_values(service: Service, directory: Path, name: str) -> None:
    answer = explain(service, (directory / name).read_bytes(), batch_size=1100)
    assert answer.status_code == 200, answer.text
    np.testing.assert_allclose(np.load(io.BytesIO(answer.content)), RIGHT, atol=1e-5)
    job = service.job(answer.headers["Location"].removeprefix("/jobs/"))
    assert [found["code"] for found in job["warnings"]] == ([] if name == "rows.csv" else ["columns_ignored"])
    assert job["chunks"] == 3


def test_excel(service: Service, directory: Path) -> None:
    answer = explain(service, (directory / "rows.xlsx").read_bytes(), batch_size=1100)
    assert answer.status_code == 200, answer.text
    np.testing.assert_allclose(np.load(io.BytesIO(answer.content)), RIGHT, atol=1e-5)
    broken = explain(service, (directory / "rows.xlsx").read_bytes()[:-300]).json()
    assert broken["code"] == "bad_table", broken


def test_what_is_refused(service: Service, directory: Path) -> None:
    text = explain(service, (directory / "text.parquet").read_bytes(), batch_size=ROWS).json()
    assert (text["code"], text["data"]["column"], text["data"]["row"]) == ("not_numeric", "c4", 0), text
    whole, stream = (directory / "groups.parquet").read_bytes(), (directory / "batches.arrows").read_bytes()
    damaged = (whole[:-10], whole[:100], b"ARROW1\0\0" + bytes(100), whole[:50] + bytes(5000) + whole[5050:])
    for broken in (*damaged, stream[:-3000], stream[:4] + bytes(20), stream[:40] + bytes(60) + stream[100:]):
        problem = explain(service, broken).json()
        assert problem["code"] == "bad_table", problem
    large = explain(service, (directory / "one batch.arrows").read_bytes()).json()
    assert (large["code"], "max_chunksize=10_000" in large["detail"]) == ("bad_table", True), large


def test_a_large_row_group_is_warned_of(service: Service, directory: Path) -> None:
    answer = explain(service, (directory / "large.parquet").read_bytes())
    assert answer.status_code == 200, answer.text
    job = service.job(answer.headers["Location"].removeprefix("/jobs/"))
    assert (job["chunks"], [found["code"] for found in job["warnings"]]) == (16, ["large_row_groups"])
    assert "row_group_size" in job["warnings"][0]["message"]


@pytest.mark.parametrize(("name", "kind", "first"), [("groups", "string", "r0"), ("numbered", "int64", 2**60)])
def test_a_table_in_and_a_table_out(service: Service, directory: Path, name: str, kind: str, first: Any) -> None:
    """Parquet both ways, with ids as they were, and the values to the bit."""
    answer = explain(service, (directory / f"{name}.parquet").read_bytes(), id_column="id")
    result = f"{answer.headers['Location']}/result"
    (directory / "out.parquet").write_bytes(service.http.get(result, headers={"Accept": PARQUET}).content)
    env = {**os.environ, "PYTHONPATH": PATH}
    read = subprocess.run([sys.executable, "-c", READ], cwd=directory, env=env, check=True, capture_output=True)
    assert json.loads(read.stdout) == {
        "names": ["row", "id", "base_value", *COLUMNS],
        "id": kind,
        "ids": [first, ROWS],
    }
    assert np.array_equal(np.load(directory / "out.npy"), np.load(io.BytesIO(answer.content)))


@pytest.mark.parametrize(("address", "code"), [("ZZZZZZZZ99999999999", "bad_table"), ("XFD1048576", "memory_cap")])
def test_a_cell_that_is_far_away(service: Service, address: str, code: str) -> None:
    """A workbook is read as a block: up to the last cell that it names."""
    raw = workbook([COLUMNS, [1.0] * len(COLUMNS)])
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    entries[SHEET] = entries[SHEET].replace(b"<c><v>", b'<c r="%s"><v>' % address.encode(), 1)
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    problem = explain(service, into.getvalue()).json()
    assert problem["code"] == code, problem
