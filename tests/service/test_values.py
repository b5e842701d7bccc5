"""Through HTTP and back: values are shap's, for every family of models."""

import warnings
from typing import Any, NamedTuple

import lightgbm
import numpy as np
import pytest
import shap
import skops.io
import xgboost
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC

from tests.service.conftest import Service, csv, npy

CANCER, WINE, DIABETES = load_breast_cancer(), load_wine(), load_diabetes()
BACKGROUND = 20


class Case(NamedTuple):
    estimator: Any
    table: Any
    explainer: str


CASES = {
    "forest-binary": Case(RandomForestClassifier(20, random_state=0), CANCER, "tree"),
    "forest-multiclass": Case(RandomForestClassifier(20, random_state=0), WINE, "tree"),
    "boosting": Case(GradientBoostingRegressor(n_estimators=30, random_state=0), DIABETES, "tree"),
    "boosting-binary": Case(GradientBoostingClassifier(n_estimators=30, random_state=0), CANCER, "tree"),
    "histogram": Case(HistGradientBoostingRegressor(max_iter=30, random_state=0), DIABETES, "tree"),
    "histogram-binary": Case(HistGradientBoostingClassifier(max_iter=30, random_state=0), CANCER, "tree"),
    "xgboost": Case(xgboost.XGBClassifier(n_estimators=30, n_jobs=1), CANCER, "tree"),
    "xgboost-multiclass": Case(xgboost.XGBClassifier(n_estimators=10, n_jobs=1), WINE, "tree"),
    "lightgbm": Case(lightgbm.LGBMRegressor(n_estimators=30, n_jobs=1, verbose=-1), DIABETES, "tree"),
    "linear": Case(LinearRegression(), DIABETES, "linear"),
    "logistic": Case(LogisticRegression(max_iter=5000), CANCER, "linear"),
    "logistic-multiclass": Case(LogisticRegression(max_iter=5000), WINE, "linear"),
    "svc": Case(SVC(), WINE, "permutation"),
}


def saved(model: Any) -> bytes:
    if isinstance(model, xgboost.XGBModel):
        return bytes(model.get_booster().save_raw("json"))
    if isinstance(model, lightgbm.LGBMModel):
        return model.booster_.model_to_string().encode()
    return skops.io.dumps(model)


def oracle(case: Case, model: Any, rows: Any, background: Any) -> np.ndarray:
    masker = shap.maskers.Independent(background, max_samples=len(background))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if case.explainer == "tree":
            return np.asarray(shap.TreeExplainer(model).shap_values(rows))
        if case.explainer == "linear":
            return np.asarray(shap.LinearExplainer(model, masker).shap_values(rows))
        explain = shap.PermutationExplainer(model.decision_function, masker, seed=7)
        return np.asarray(explain(rows).values)


@pytest.mark.parametrize("name", CASES)
def test_values_are_shaps(service: Service, name: str) -> None:
    case = CASES[name]
    model = case.estimator.fit(case.table.data, case.table.target)
    rows = case.table.data[:60] if case.explainer != "permutation" else case.table.data[:12]
    background = case.table.data[::5][:BACKGROUND]
    columns = [str(column) for column in case.table.feature_names]
    sent = None if case.explainer == "tree" else npy(background)
    job_id = service.submit(saved(model), csv(columns, rows), sent, batch_size=25, seed=7)
    job = service.ended(job_id)
    assert job["status"] == "finished", job["error"]
    assert job["explainer"] == case.explainer
    expected = oracle(case, model, rows, background)
    found = service.values(job_id)
    assert found.shape == expected.shape
    exact = case.explainer == "tree" and not name.startswith("xgboost")  # whose own values are in 32 bits
    np.testing.assert_allclose(found, expected, rtol=0, atol=(1e-9 if exact else 1e-6) * max(1, np.abs(expected).max()))
    summary = service.http.get(f"/jobs/{job_id}/summary").json()
    assert summary["features"] == columns
    assert summary["additivity"]["ok"]
