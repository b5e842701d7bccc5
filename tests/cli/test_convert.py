"""The command `convert`: what it asks before it loads, directories of MLflow, what it says and how it ends."""

import pickle
from pathlib import Path

import lightgbm
import numpy as np
import pytest
import xgboost as xgb
from sklearn.linear_model import Ridge

from cli import mlflow_directory
from cli.failures import Refused

X = np.random.default_rng(0).normal(size=(60, 3))
Y = X[:, 0]
MLMODEL = """\
artifact_path: model
flavors:
  python_function:
    data: {place}
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: mlflow.{flavour}
    python_version: 3.11.7
  {flavour}:
    code: null
    {key}: {place}
    model_class: some.Class
mlflow_version: 2.22.0
model_uuid: 5f5f8b2c
signature:
  inputs: '[{{"type": "double", "name": "a"}}]'
  data: nothing of ours
"""
"""As MLflow 2 writes it."""


class Touch:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def mlflow(folder: Path, flavour: str, place: str, key: str = "data") -> Path:
    folder.mkdir()
    (folder / "MLmodel").write_text(MLMODEL.format(flavour=flavour, place=place, key=key))
    return folder


def test_a_pickle_is_not_loaded_without_the_users_word(command, tmp_path):
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Touch(tmp_path / "touched")))
    ended = command("convert", tmp_path / "model.pkl", tmp_path / "out")
    assert ended.returncode == 2
    assert "runs whatever code is in it" in ended.stderr
    assert "--trust" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model.pkl"]
    assert command("convert", tmp_path / "model.pkl", tmp_path / "out", "--trust").returncode == 2
    assert (tmp_path / "touched").exists(), "with --trust it is loaded"


def test_a_model_of_mlflow_becomes_what_the_service_explains(command, stack, files, tmp_path):
    """A pickle in it needs the user's word as any other."""
    folder = mlflow(tmp_path / "model", "sklearn", "model.pkl", "pickled_model")
    (folder / "model.pkl").write_bytes(pickle.dumps(xgb.XGBRegressor(n_estimators=3, n_jobs=1).fit(X, Y)))
    refused = command("run", "--model", folder, "--data", files / "rows.csv", "--url", stack.url)
    assert refused.returncode == 2
    assert "shap-supervisor convert" in refused.stderr
    assert "--trust" in command("convert", folder, tmp_path / "out.json").stderr
    ended = command("convert", folder, tmp_path / "out.json", "--trust", "--data", files / "rows.npy")
    assert ended.returncode == 0, ended.stderr
    assert "on 40 rows of --data it predicts the same, to the last digit" in ended.stdout
    asked = ("submit", "--model", tmp_path / "out.json", "--data", files / "rows.csv", "--wait", "--url", stack.url)
    explained = command(*asked)
    assert explained.returncode == 0, explained.stderr


@pytest.mark.parametrize(
    ("flavour", "place"), [("xgboost", "model.xgb"), ("lightgbm", "model.lgb")], ids=["xgboost", "lightgbm"]
)
def test_what_mlflow_keeps_safely_is_copied(command, flavour, place, tmp_path):
    folder = mlflow(tmp_path / "model", flavour, place)
    if flavour == "xgboost":
        content = bytes(xgb.train({}, xgb.DMatrix(X, Y), 2).save_raw("ubj"))
    else:
        content = lightgbm.train({"verbose": -1}, lightgbm.Dataset(X, Y), 2).model_to_string().encode()
    (folder / place).write_bytes(content)
    ended = command("convert", folder, tmp_path / "out")
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "out").read_bytes() == content


def test_directories_that_hold_no_model_of_ours(tmp_path):
    with pytest.raises(Refused, match="without `MLmodel`"):
        mlflow_directory.model_file(tmp_path)
    with pytest.raises(Refused, match=r"flavours python_function, keras; taken are xgboost"):
        mlflow_directory.model_file(mlflow(tmp_path / "keras", "keras", "data"))
    with pytest.raises(Refused, match=r"no such file"):
        mlflow_directory.model_file(mlflow(tmp_path / "gone", "xgboost", "model.ubj"))
    (tmp_path / "secret").write_text("")
    with pytest.raises(Refused, match=r"no such file"):
        mlflow_directory.model_file(mlflow(tmp_path / "out", "xgboost", "../secret"))


def test_what_needs_no_conversion_and_what_has_none(command, files, tmp_path):
    ended = command("convert", files / "model.json", tmp_path / "out")
    assert (ended.returncode, "XGBoost JSON already" in ended.stderr) == (2, True)
    ended = command("convert", files / "rows.npy", tmp_path / "out")
    assert (ended.returncode, "unknown kind" in ended.stderr) == (2, True)


def test_an_ending_of_another_format_leaves_nothing(command, tmp_path):
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Ridge().fit(X, Y)))
    ended = command("convert", tmp_path / "model.pkl", tmp_path / "out.json", "--trust")
    assert (ended.returncode, "written as .skops" in ended.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["model.pkl"]


def test_a_converter_that_dies_is_named(command, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no numbers here >&2\nexit 7\n")
    python.chmod(0o700)
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04N.")
    ended = command("convert", tmp_path / "model.pkl", tmp_path / "out", "--trust", "--python", python)
    assert ended.returncode == 2
    assert "no numbers here" in ended.stderr
    assert "ended with 7" in ended.stderr
