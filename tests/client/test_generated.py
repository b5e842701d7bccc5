"""A client that a public generator makes of /openapi.json: it compiles, and explains.

The generator lies apart (requirements-generator.in says why), so processes of their own have it.
"""

import compileall
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

APART = Path(sys.prefix) / "generator"
pytestmark = pytest.mark.skipif(not APART.exists(), reason="make test installs requirements-generator.txt there")
EXPLAIN = """
import json, sys
from generated import AuthenticatedClient
from generated.api.default import analyze, get_job, get_result, get_summary
from generated.models import Form, Options, OptionsExplainer
from generated.types import File

url, model, rows = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token="none is asked for")

form = Form(
    data=File(open(rows, "rb"), "rows.csv"),
    model=File(open(model, "rb"), "model.json"),
    options=Options(explainer=OptionsExplainer.TREE),
)
answer = analyze.sync(client=client, body=form, prefer="wait=30")
job = get_job.sync(answer.job_id, client=client)
refused = analyze.sync(client=client, body=Form(data=File(open(rows, "rb"), "rows.csv")))
print(json.dumps({
    "values": answer.values,
    "again": get_result.sync(answer.job_id, client=client).values,
    "summary": get_summary.sync(answer.job_id, client=client).mean_abs_shap,
    "job": [job.status, job.explainer, job.model.family],
    "refused": [refused.status, refused.code],
}))
"""


def run(*command: str, path: Path) -> str:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (path, APART)))}
    ended = subprocess.run(
        [sys.executable, *command], cwd=path, env=env, capture_output=True, text=True, check=False, timeout=100
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def generated(client: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the package `generated`."""
    path = tmp_path_factory.mktemp("client")
    with urllib.request.urlopen(f"{client.url}/openapi.json") as answer:
        document = json.load(answer)
    (path / "openapi.json").write_text(json.dumps(document))
    said = run(
        *("-m", "openapi_python_client", "generate", "--path", "openapi.json"),
        *("--meta", "none", "--output-path", "generated"),
        path=path,
    )
    assert "unable to parse" not in said.lower(), said
    names = {
        call["operationId"] for calls in document["paths"].values() for call in calls.values() if "operationId" in call
    }
    made = {file.stem.replace("_", "") for file in (path / "generated/api").glob("*/*.py")}
    assert {name.lower() for name in names} <= made
    return path


def test_it_compiles(generated: Path) -> None:
    assert compileall.compile_dir(generated / "generated", quiet=1)


def test_it_explains(client: Any, generated: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    x = np.random.default_rng(2).normal(size=(80, 3))
    rows = xgboost.DMatrix(x, x[:, 0] * x[:, 1], feature_names=["a", "b", "c"])
    booster = xgboost.train({"max_depth": 3}, rows, 5)
    booster.save_model(generated / "model.json")
    np.savetxt(generated / "rows.csv", x, delimiter=",", header="a,b,c", comments="", fmt="%.17g")
    found = json.loads(run("-c", EXPLAIN, client.url, "model.json", "rows.csv", path=generated))
    right = booster.predict(rows, pred_contribs=True)[:, :-1]
    np.testing.assert_allclose(np.array(found["values"]).reshape(80, 3), right, atol=1e-5)
    assert found["again"] == found["values"]
    np.testing.assert_allclose(np.ravel(found["summary"]), np.abs(right).mean(axis=0), atol=1e-5)
    assert found["job"] == ["finished", "tree", "xgboost"]
    assert found["refused"] == [400, "model_choice"]
