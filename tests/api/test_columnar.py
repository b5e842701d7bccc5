"""Values as Parquet and Arrow: what is in them, and when there are none.

pyarrow lies apart (requirements-dask.in says why): files are read by a process of its own.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from starlette.testclient import TestClient

from api import columnar, own_process
from api.columnar import Columnar, Frames
from api.result_table import Incomplete, Table
from jobs import keys
from jobs.errors import TooManyColumnar
from tests.api.test_results import Finished, finished

APART = Path(sys.prefix) / "dask"
TYPES = {
    "parquet": "application/vnd.apache.parquet",
    "arrows": "application/vnd.apache.arrow.stream",
    "arrow": "application/vnd.apache.arrow.file",
}
READ = """
import json, sys, pyarrow as pa, pyarrow.parquet as pq
kind, raw = sys.argv[1], pa.py_buffer(sys.stdin.buffer.read())
if kind == "parquet":
    file = pq.ParquetFile(pa.BufferReader(raw)); table, groups = file.read(), file.num_row_groups
else:
    file = (pa.ipc.open_file if kind == "arrow" else pa.ipc.open_stream)(raw); table = file.read_all()
    groups = len(table.to_batches())
columns = {name: table.column(name)[:99].to_pylist() for name in table.schema.names}
types = {field.name: str(field.type) for field in table.schema}
about = json.loads(table.schema.metadata[b"shap-supervisor"])
print(json.dumps({"columns": columns, "types": types, "about": about, "groups": groups, "rows": len(table)}))
"""
__all__ = ["finished"]
pytestmark = pytest.mark.skipif(not APART.exists(), reason="make test installs requirements-dask.txt there")


@pytest.fixture(autouse=True)
def extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra `tables`, for the service and the processes that it starts."""
    path = os.pathsep.join([str(APART), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setattr(columnar, "can_write", lambda: True)


def read(kind: str, raw: bytes) -> Any:
    found = subprocess.run([sys.executable, "-c", READ, kind], input=raw, capture_output=True, check=False)
    assert found.returncode == 0, found.stderr.decode()
    return json.loads(found.stdout)


def test_the_same_bits(client: TestClient, finished: Finished) -> None:
    """As columns of CSV, beside the base value."""
    job_id, values = finished
    kind = list(TYPES)[values.ndim % 3]
    answer = client.get(f"/jobs/{job_id}/result?rows=1-5", headers={"accept": TYPES[kind]})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == TYPES[kind]
    assert answer.headers["content-disposition"] == f'attachment; filename="shap-{job_id}-1-5.{kind}"'
    about = client.get(f"/jobs/{job_id}/result?rows=1-5").json()
    del about["values"]
    found, features, outputs = read(kind, answer.content), about["features"], about["outputs"]
    assert found["about"] == about
    several, matrix = len(outputs) > 1, values.ndim - (len(outputs) > 1) == 3
    assert list(found["columns"]) == [
        "row", *(["output"] if several else []), *(["feature"] if matrix else []), "base_value", *features,
    ]  # fmt: skip
    cells = np.array([found["columns"][name] for name in features])  # (features, lines)
    wanted = values[1:6] if several else values[1:6, ..., None]
    assert np.array_equal(cells.T, np.moveaxis(wanted, -1, -2).reshape(-1, len(features)))
    lines = len(outputs) * (len(features) if matrix else 1)
    assert found["columns"]["row"] == [row for row in range(1, 6) for _ in range(lines)]
    assert not several or found["columns"]["output"] == outputs * (lines // len(outputs)) * 5
    assert not matrix or found["columns"]["feature"] == [name for name in features for _ in outputs] * 5
    assert set(found["columns"]["base_value"]) == {0.5}


def table(**changes: Any) -> Table:
    found = {"explainer": "tree", "engine": "e", "features": ["row", "a"], "outputs": ["y"], "base_values": [0.5]}
    whole = {"job_id": "j", "interactions": False, "row_shape": (2,), "first": 0, "last": 1, **found, **changes}
    return Table(**whole)


def written(of: Table, batches: list[bytes], kind: str = "parquet", ids: list[Any] | None = None) -> bytes:
    frames = Frames(kind, of)

    async def all_frames() -> AsyncIterator[bytes]:
        yield frames.begin()
        for number, batch in enumerate(batches):
            if ids is not None:
                yield frames.give(ids[number])
            yield frames.write(batch)
        yield frames.end()

    async def whole() -> bytes:
        return b"".join([part async for part in Columnar().written(all_frames())])

    return asyncio.run(whole())


def test_names_that_features_have_too() -> None:
    """They stay the features'; two columns of one name could not be told apart."""
    of = table(id_column="a", whole_ids=True, base_values=[float("nan")], features=["row", "a"])
    found = read("parquet", written(of, [np.arange(4.0).tobytes()], ids=[[2**60, None]]))
    assert list(found["columns"]) == ["row_", "a_", "base_value", "row", "a"]
    assert (found["columns"]["row_"], found["columns"]["a_"]) == ([0, 1], [2**60, None])
    assert (found["columns"]["row"], found["columns"]["a"]) == ([0.0, 2.0], [1.0, 3.0])
    assert found["types"]["a_"] == "int64"


def test_ids_of_any_kind_are_text() -> None:
    of = table(id_column="key", outputs=["n", "y"], base_values=[0.0, 1.0], row_shape=(2, 2), last=2)
    batches = [np.arange(8.0).tobytes(), np.arange(4.0).tobytes()]
    found = read("parquet", written(of, batches, ids=[["007", 1.5], [None]]))
    assert found["columns"]["key"] == ["007", "007", "1.5", "1.5", None, None]
    assert found["columns"]["base_value"] == [0.0, 1.0] * 3
    assert found["columns"]["row_"] == [0, 0, 1, 1, 2, 2]


def test_the_largest_of_each_row_are_named() -> None:
    of = table(features=["top", "value"], named=["age", "income"], places=1)
    found = read("parquet", written(of, [np.array([1.0, 0.5, 0.0, 2.5]).tobytes()]))
    assert (found["columns"]["top"], found["columns"]["value"]) == (["income", "age"], [0.5, 2.5])


@pytest.mark.parametrize("kind", ["parquet", "arrows"])
def test_groups_are_small_whatever_the_rows(kind: str) -> None:
    rows = 700_000
    found = read(kind, written(table(last=rows - 1), [bytes(16 * rows // 20)] * 20, kind))
    assert (found["groups"], found["rows"]) == (3, rows)


def test_values_that_are_broken_off_make_no_file() -> None:
    async def cut() -> AsyncIterator[bytes]:
        yield Frames("parquet", table()).begin()

    async def whole() -> None:
        async for _ in Columnar().written(cut()):
            pass

    with pytest.raises(Incomplete):
        asyncio.run(whole())


def test_some_at_once_and_nobody_keeps_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes nothing loses it, and the next one is served."""
    monkeypatch.setattr(columnar, "STALL_S", 0.5)
    monkeypatch.setattr(columnar, "MOST", 1)
    ended: list[Any] = []

    async def endless() -> AsyncIterator[bytes]:
        frames = Frames("arrows", table())
        yield frames.begin()
        while True:
            yield frames.write(bytes(1 << 20))

    async def start(module: str) -> Any:
        ended.append(await real(module))
        return ended[-1]

    async def play() -> None:
        house = Columnar()
        slow = house.written(endless())
        assert not await anext(slow)
        assert await anext(slow)
        with pytest.raises(TooManyColumnar):
            await anext(house.written(endless()))
        while ended[0].returncode is None:  # noqa: ASYNC110 - its wait() needs somebody to read
            await asyncio.sleep(0.05)
        async with aclosing(house.written(endless())) as third:
            assert not await anext(third)
        with pytest.raises(Incomplete):
            async for _ in slow:
                pass

    real = own_process.start
    monkeypatch.setattr(own_process, "start", start)
    asyncio.run(asyncio.wait_for(play(), 60))


def test_it_begins_before_the_values_are_whole() -> None:
    """As a job that still runs is followed."""

    async def play() -> None:
        begun = asyncio.Event()

        async def frames() -> AsyncIterator[bytes]:
            found = Frames("arrows", table())
            yield found.begin()
            await begun.wait()
            yield found.end()

        async for _ in Columnar().written(frames()):
            begun.set()

    asyncio.run(asyncio.wait_for(play(), 30))


def test_without_the_extra(client: TestClient, finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columnar, "can_write", lambda: False)
    path = f"/jobs/{finished[0]}/result"
    problem = client.get(path, headers={"accept": TYPES["parquet"]})
    assert (problem.status_code, problem.json()["code"]) == (501, "no_columnar")
    assert "shap-supervisor[tables]" in problem.json()["detail"]
    second = client.get(path, headers={"accept": f"{TYPES['parquet']}, text/csv;q=0.5"})
    assert second.headers["content-type"].startswith("text/csv")


def test_values_that_have_gone(client: TestClient, finished: Finished, keyspace: "redis.Redis[bytes]") -> None:
    keyspace.delete(keys.values(finished[0]))
    answer = client.get(f"/jobs/{finished[0]}/result", headers={"accept": TYPES["parquet"]})
    assert (answer.status_code, answer.json()["code"]) == (410, "result_expired")
