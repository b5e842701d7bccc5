"""MLflow's models in the client: from its registry, with their signature, and a job kept in a run.

MLflow lies apart (requirements-mlflow.in says why), so a process of its own has it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from shap_supervisor import BadTable, CannotSave, Client, NotInstalled, mlflow_models

APART = Path(sys.prefix) / "mlflow"
SESSION = """
import json, sys
import mlflow, numpy as np, pandas as pd, xgboost
from mlflow.models import infer_signature
from shap_supervisor import Client, mlflow_models

client = Client(sys.argv[1])
x = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=["b", "a", "c"])
model = xgboost.XGBRegressor(n_estimators=5).fit(x.to_numpy(), 2 * x["a"] + x["b"])  # knows no names
right = model.get_booster().predict(xgboost.DMatrix(x.to_numpy()), pred_contribs=True)[:, :-1]
with mlflow.start_run() as run:
    mlflow.xgboost.log_model(model, name="m", signature=infer_signature(x, x["a"]), registered_model_name="churn")
other = x.assign(id=range(60))[["c", "id", "b", "a"]]
far = {}
for name, one in {"address": "models:/churn/1", "wrapper": mlflow.pyfunc.load_model("models:/churn/1")}.items():
    far[name] = float(np.abs(client.explain(one, other).values - right).max())
client.register("churn", "models:/churn/1")
job = client.submit("churn", x.to_numpy()).wait()
far["registered"] = float(np.abs(job.result().values - right).max())
with mlflow.start_run(run.info.run_id):
    mlflow_models.log(job)
kept = [file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id, "shap")]
summary = mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/shap/summary.json")
print(json.dumps({"far": far, "kept": sorted(kept), "is_summary": "mean_abs_shap" in summary}))
"""


@pytest.mark.skipif(not APART.exists(), reason="make test installs requirements-mlflow.txt there")
def test_a_model_of_the_registry_by_the_columns_of_its_signature(client: Client, tmp_path: Path) -> None:
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(APART), os.environ.get("PYTHONPATH", "")]),
        "MLFLOW_TRACKING_URI": (tmp_path / "runs").as_uri(),
        "MLFLOW_ALLOW_FILE_STORE": "true",
    }
    command = [sys.executable, "-c", SESSION, client.url]
    ended = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=110)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found["far"] == {name: pytest.approx(0, abs=1e-5) for name in ("address", "wrapper", "registered")}
    assert found["kept"] == ["shap/report.html", "shap/summary.json"]
    assert found["is_summary"]


def wrapper(raw: Any, schema: Any = None) -> Any:
    """As mlflow.pyfunc makes them."""
    kind = type("PyFuncModel", (), {"__module__": "mlflow.pyfunc", "get_raw_model": raw})
    found = kind()
    found.metadata = SimpleNamespace(get_input_schema=lambda: schema)
    return found


def test_a_model_without_a_signature_has_no_names() -> None:
    model = LinearRegression()
    assert mlflow_models.is_mlflow(wrapper(lambda _: model))
    assert mlflow_models.unwrapped(wrapper(lambda _: model)) == (model, None)
    tensors = SimpleNamespace(has_input_names=lambda: False)
    assert mlflow_models.unwrapped(wrapper(lambda _: model, tensors)) == (model, None)


def test_a_python_function_is_no_model_to_save() -> None:
    def refuse(_: Any) -> Any:
        raise NotImplementedError

    with pytest.raises(CannotSave, match="the model that it calls"):
        mlflow_models.unwrapped(wrapper(refuse))


def test_a_column_of_the_signature_that_is_missing_is_named() -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(BadTable, match="do not have: b, d"):
        mlflow_models.arranged(pandas.DataFrame({"a": [1.0], 0: [2.0]}), ["a", "b", "0", "d"])


def test_what_has_no_columns_stays_as_it_is() -> None:
    array = np.zeros((2, 3))
    assert mlflow_models.arranged(array, ["a", "b", "c"]) is array
    assert not mlflow_models.is_mlflow("churn")
    assert not mlflow_models.is_mlflow(LinearRegression())


def test_without_mlflow_its_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(NotInstalled, match="pip install mlflow"):
        mlflow_models.unwrapped("models:/churn/1")
