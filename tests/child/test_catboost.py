"""CatBoost's files: values as CatBoost and shap give them, and what is refused. Skipped where the extra is missing."""

import os
import subprocess
import sys

import numpy as np
import pytest
import shap

from child import stack
from jobs.protocol import Done, Failed, Unsuited
from tests.child.support import Supervisor, explained, npy, refusal

catboost = pytest.importorskip("catboost", reason="the extra catboost is not installed")

CLOSE = {"rtol": 0, "atol": 1e-9}
LOSSES = [("RMSE", "number"), ("Logloss", "two"), ("MultiClass", "three")]
COMMON = {"iterations": 8, "depth": 3, "thread_count": 1, "verbose": False, "allow_writing_files": False}


def fitted(samples, loss="RMSE", target="number", x=None, **params):
    model = catboost.CatBoost(COMMON | {"loss_function": loss} | params)
    return model.fit(samples.x if x is None else x, getattr(samples, target))


def cbm(model, directory) -> bytes:
    path = directory / "model.cbm"
    model.save_model(str(path))
    return path.read_bytes()


def raw_output(model, rows):
    margin = model.predict(rows, prediction_type="RawFormulaVal")
    return margin if margin.ndim == 2 else margin[:, None]


@pytest.mark.parametrize(("loss", "target"), LOSSES)
def test_values_are_catboosts_and_shaps(samples, tmp_path, loss, target):
    model = fitted(samples, loss, target)
    values, heard, info = explained(cbm(model, tmp_path), npy(samples.x))
    reference = np.asarray(shap.TreeExplainer(model).shap_values(catboost.Pool(samples.x)))
    np.testing.assert_allclose(values, reference if reference.ndim == 3 else reference[..., None], **CLOSE)
    np.testing.assert_allclose(values.sum(axis=1) + info.base_values, raw_output(model, samples.x), **CLOSE)
    assert (info.family, info.explainer, info.engine) == ("catboost", "tree", "CatBoost (native)")
    assert info.features is None  # "0", "1", ... are CatBoost's own invention
    assert (info.explains, len(info.outputs)) == {
        "RMSE": ("prediction", 1),
        "Logloss": ("margin", 1),
        "MultiClass": ("margin", 3),
    }[loss]
    assert heard.one(Done).summary["additivity"]["ok"]


@pytest.mark.parametrize(("loss", "target"), LOSSES)
def test_interactions_are_catboosts_and_add_up(samples, tmp_path, loss, target):
    model = fitted(samples, loss, target)
    file, rows = cbm(model, tmp_path), samples.x[:20]
    matrices, heard, _ = explained(file, npy(rows), interactions=True)
    own = np.asarray(model.get_feature_importance(catboost.Pool(rows), type="ShapInteractionValues"))
    own = own[..., :-1, :-1]
    np.testing.assert_allclose(matrices, own[..., None] if own.ndim == 3 else np.moveaxis(own, 1, -1), **CLOSE)
    np.testing.assert_allclose(matrices.sum(axis=2), explained(file, npy(rows))[0], **CLOSE)
    assert heard.one(Done).summary["additivity"]["ok"]


def test_missing_values_go_where_training_sent_them(samples, tmp_path):
    x = np.where(np.random.default_rng(1).random(samples.x.shape) < 0.2, np.nan, samples.x)
    model = fitted(samples, x=x)
    values, _, info = explained(cbm(model, tmp_path), npy(x))
    np.testing.assert_allclose(values.sum(axis=1) + info.base_values, raw_output(model, x), **CLOSE)


def test_names_of_features_and_classes(samples, tmp_path):
    model = catboost.CatBoostClassifier(**COMMON)
    pool = catboost.Pool(samples.x, np.where(samples.two, "yes", "no"), feature_names=samples.columns)
    _, _, info = explained(cbm(model.fit(pool), tmp_path), npy(samples.x))
    assert (info.features, info.outputs) == (samples.columns, ["yes"])


def test_a_count_is_explained_before_its_link(samples, tmp_path):
    model = catboost.CatBoost(COMMON | {"loss_function": "Poisson"}).fit(samples.x, np.abs(samples.number))
    _, _, info = explained(cbm(model, tmp_path), npy(samples.x))
    assert (info.explains, info.name) == ("margin", "CatBoost (Poisson)")


@pytest.mark.parametrize(("loss", "target", "shown"), [("Logloss", "two", 1), ("MultiClass", "three", 3)])
def test_with_a_background_it_is_asked_itself(samples, tmp_path, loss, target, shown):
    model = fitted(samples, loss, target)
    _, _, info = explained(cbm(model, tmp_path), npy(samples.x[:3]), npy(samples.x[:10]))
    assert (info.explainer, info.explains, len(info.outputs)) == ("exact", "probability", shown)
    assert "take no background" in info.reason
    mean = model.predict(samples.x[:10], prediction_type="Probability").mean(axis=0)
    np.testing.assert_allclose(info.base_values, mean[-shown:], **CLOSE)


@pytest.mark.parametrize("policy", ["Lossguide", "Depthwise"])
def test_trees_that_are_not_symmetric_are_left_to_what_asks_the_model(samples, tmp_path, policy):
    file, few = cbm(fitted(samples, "Logloss", "two", grow_policy=policy), tmp_path), npy(samples.x[:10])
    assert "not symmetric" in refusal(file, few, explainer="tree").message
    assert "as CatBoost's own values of trees that are not symmetric" in refusal(file, few).message
    assert explained(file, few, few)[2].explainer == "exact"


def test_values_that_would_depend_on_what_is_asked_are_left_to_what_asks_the_model(samples, tmp_path):
    """With monotone constraints no weights of leaves are kept, and CatBoost takes those of the rows at hand."""
    model = fitted(samples, monotone_constraints={"0": 1, "2": -1}, learning_rate=0.5)
    file, few = cbm(model, tmp_path), npy(samples.x[:10])
    assert "how many rows reached which leaf" in refusal(file, few, explainer="tree").message
    values, _, info = explained(file, few, few)
    assert info.explainer == "exact"
    own = raw_output(model, samples.x[:10])
    np.testing.assert_allclose(values.sum(axis=1) + info.base_values, own, **CLOSE)


def test_of_a_mean_and_its_uncertainty_the_mean_is_explained(samples, tmp_path):
    model = fitted(samples, "RMSEWithUncertainty")
    values, _, info = explained(cbm(model, tmp_path), npy(samples.x))
    assert info.outputs == ["0"]
    np.testing.assert_allclose(values.sum(axis=1) + info.base_values, raw_output(model, samples.x)[:, :1], **CLOSE)


def test_a_sum_of_models_is_explained(samples, tmp_path):
    model = catboost.sum_models([fitted(samples, random_seed=seed) for seed in (1, 2)], weights=[0.5, 2])
    values, _, info = explained(cbm(model, tmp_path), npy(samples.x))
    assert (info.name, info.engine) == ("CatBoost (RMSE)", "CatBoost (native)")
    np.testing.assert_allclose(values.sum(axis=1) + info.base_values, raw_output(model, samples.x), **CLOSE)


def test_what_it_cannot_do_is_said(samples, tmp_path):
    file, few = cbm(fitted(samples, "Logloss", "two"), tmp_path), npy(samples.x[:10])
    assert refusal(file, few, model_output="probability").code == "background_required"
    assert "background" in refusal(file, few, few, interactions=True).message
    assert "background" in refusal(file, few, few, explainer="tree").message
    assert "probabilities" in refusal(file, few, explainer="tree", model_output="probability").message


def test_features_of_text_are_refused(tmp_path):
    rows = [[f"word{index % 3} more", float(index)] for index in range(40)]
    pool = catboost.Pool(rows, list(range(40)), text_features=[0])
    failed = refusal(cbm(catboost.CatBoost(COMMON | {"loss_function": "RMSE"}).fit(pool), tmp_path))
    assert failed.code == "unsupported_model"
    assert "it has text features" in failed.message


def test_truncated_files_are_refused(samples, tmp_path):
    whole = cbm(fitted(samples), tmp_path)
    for length in (4, 7, 8, 100, len(whole) // 2, len(whole) - 1):
        assert refusal(whole[:length]).code == "unreadable_model", length


GARBLED = """
import sys
from jobs.errors import Problem
from child.explainers.catboost_native import CatBoostTrees
from child.models import catboost_model
from jobs.options import Options
import numpy as np
try:
    model = catboost_model.load(open(sys.argv[1], "rb"))
    CatBoostTrees(model, Options()).explain(np.zeros((2, model.n_features)), 0)
except Problem as problem:
    sys.exit(10)
except Exception as error:
    sys.exit(11)
"""


def test_garbled_files_end_in_bounded_time(samples, tmp_path):
    """In a process of their own each: a crash is contained there, and judged by the supervisor. None hangs."""
    whole, draw = cbm(fitted(samples), tmp_path), np.random.default_rng(3)
    for _ in range(6):
        broken = bytearray(whole)
        for place in draw.integers(4, len(whole), 30):
            broken[place] = draw.integers(256)
        path = tmp_path / "garbled.cbm"
        path.write_bytes(broken)
        ended = subprocess.run([sys.executable, "-c", GARBLED, str(path)], timeout=60, env=os.environ, check=False)
        assert ended.returncode in (0, 10, 11) or ended.returncode < 0


def test_a_lean_process_leaves_it_to_a_full_one(samples, tmp_path, monkeypatch):
    monkeypatch.setattr(stack, "_stack", ["lean"])
    heard = Supervisor({"model": cbm(fitted(samples), tmp_path)}).load(into=tmp_path / "trees")
    assert "catboost" in heard.one(Unsuited).reason


def test_without_the_library_the_extra_is_named(samples, tmp_path, monkeypatch):
    file = cbm(fitted(samples), tmp_path)
    monkeypatch.setitem(sys.modules, "catboost", None)
    failed: Failed = refusal(file)
    assert failed.code == "missing_extra"
    assert "pip install shap-supervisor[catboost]" in failed.message


def test_needs_grow_with_rows_and_interactions(samples, tmp_path):
    file = cbm(fitted(samples), tmp_path)

    def needs(rows, **options):
        supervisor = Supervisor({"model": file, "data": npy(samples.x)})
        supervisor.load(**options)
        return supervisor.prepared.needs_bytes(rows)

    assert 0 < needs(10) < needs(100) < needs(100, interactions=True)
