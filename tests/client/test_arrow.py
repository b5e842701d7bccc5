"""Frames with text, as Arrow where both sides have pyarrow, and as CSV where the service has not: the same values.

pyarrow lies apart (requirements-dask.in says why): the client runs in a process of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shap_supervisor import Client

APART = Path(sys.prefix) / "dask"
PATH = os.pathsep.join([str(Path(__file__).parents[2] / "client"), str(APART), os.environ.get("PYTHONPATH", "")])
pytestmark = pytest.mark.skipif(not APART.exists(), reason="make test installs requirements-dask.txt there")
EXPLAIN = """
import json, sys
import lightgbm, numpy as np, pandas as pd, pyarrow as pa
from shap_supervisor import Client, arrow, tables
from shap_supervisor.models import saved
x = np.random.default_rng(0).normal(size=(300, 2))
towns = np.array(["Ulm; West", "Bonn", "007"])[np.arange(300) % 3]
frame = pd.DataFrame({"a": x[:, 0], "town": pd.Categorical(towns), "b": x[:, 1], "big": x[:, 0] > 0})
frame.loc[::7, "b"] = np.nan
frame.index = frame.index + 5
model = lightgbm.LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1).fit(frame, x[:, 0] + (towns == "Bonn"))
arrow_table = pa.Table.from_pandas(frame.assign(town=towns), preserve_index=False)
right = model.booster_.predict(frame, pred_contrib=True)[:, :-1]
found = {}
with Client(sys.argv[1]) as client:
    for name, rows in {"pandas": frame, "pyarrow": arrow_table}.items():
        part = tables.rows_of(rows).part("data", saved(model))
        raw = b"".join(part.pieces())
        read = pa.ipc.open_stream(raw).read_all()
        job = client.submit(model, rows, expected=None).wait()
        document = job.document()
        error = float(abs(job.result().values - right).max())
        found[name] = [read.schema.names, read.num_rows, error, bool(part.plain), document["warnings"]]
print(json.dumps(found))
"""


def explained(url: str) -> dict[str, Any]:
    command = [sys.executable, "-c", EXPLAIN, url]
    env = {**os.environ, "PYTHONPATH": PATH}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=200)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def check(found: dict[str, Any]) -> None:
    for names, rows, error, has_plain, warnings in found.values():
        assert (names, rows, has_plain, warnings) == (["a", "town", "b", "big"], 300, True, [])
        assert error < 1e-9


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_service_with_pyarrow_reads_the_stream(tmp_path: Path) -> None:
    with Client.local({"PYTHONPATH": PATH, "WORKER_SLOTS": "1"}) as client:
        check(explained(client.url))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_service_without_it_is_sent_csv(url: str) -> None:
    check(explained(url))
