"""Over HTTP: a model gives what its author says that it predicts, or nothing is explained, and the cause is named."""

import json
from typing import Any

import lightgbm
import numpy as np
import pytest
import skops.io
import xgboost
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from tests.service.conftest import Service, csv, npy

X, Y = load_diabetes(return_X_y=True)
X = X[:, :5]
CANCER = load_breast_cancer()
COLOURS = np.random.default_rng(0).integers(0, 5, size=len(X)).astype(float)


class Case:
    """A model file, rows, what the caller predicts for them, and options."""

    def __init__(self, model: bytes, rows: bytes, predictions: Any, **options: Any) -> None:
        self.files = {"model": model, "data": rows, "expected": npy(np.asarray(predictions))}
        self.options = options


def ask(service: Service, case: Case) -> Any:

    fields = {"options": json.dumps(case.options)}
    return service.http.post("/analyze", files=case.files, data=fields, headers={"Prefer": "wait=50"})


def forest() -> RandomForestRegressor:
    return RandomForestRegressor(20, max_depth=6, random_state=0).fit(X, Y)


def met() -> Case:
    model = forest()
    return Case(skops.io.dumps(model), npy(X), model.predict(X)[:100], batch_size=50)


def shuffled_columns() -> Case:
    """Neither the model nor, to it, the data has names."""
    model, order = forest(), [4, 0, 3, 1, 2]
    rows = csv([f"c{place}" for place in order], X[:, order])
    return Case(skops.io.dumps(model), rows, model.predict(X)[:100], batch_size=50)


def codes() -> Case:
    """Colours are 0 to 4 where the model was trained, and 1 to 5 in the rows that come."""
    x = np.c_[X[:, :2], COLOURS]
    model = lightgbm.LGBMRegressor(n_estimators=30, verbose=-1, n_jobs=1).fit(x, Y + 40 * np.cos(3 * COLOURS))
    saved = model.booster_.model_to_string().encode()
    return Case(saved, csv(["Column_0", "Column_1", "Column_2"], x + np.array([0, 0, 1])), model.predict(x)[:50])


def codes_of_a_pipeline() -> Case:
    x = np.c_[X[:, :2], COLOURS]
    model = make_pipeline(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), forest())
    model.fit(np.round(x), Y + 40 * np.cos(3 * COLOURS))
    given = model.predict(np.round(x))[:50]
    case = Case(skops.io.dumps(model), npy(np.round(x) + np.array([0, 0, 1])), given)
    case.files["background"] = npy(np.round(x)[:20])
    return case


def probability() -> Case:
    """The margin is explained."""
    model = xgboost.XGBClassifier(n_estimators=10, n_jobs=1).fit(CANCER.data, CANCER.target)
    saved = bytes(model.get_booster().save_raw("ubj"))
    return Case(saved, npy(CANCER.data), model.predict_proba(CANCER.data)[:40])


def margin() -> Case:
    """The probability is explained."""
    model = xgboost.XGBClassifier(n_estimators=10, n_jobs=1).fit(CANCER.data, CANCER.target)
    given = model.predict(CANCER.data, output_margin=True)[:40]
    case = Case(bytes(model.get_booster().save_raw("ubj")), npy(CANCER.data), given, model_output="probability")
    case.files["background"] = npy(CANCER.data[:20])
    return case


def best_iteration() -> Case:
    model = lightgbm.LGBMRegressor(n_estimators=30, verbose=-1, n_jobs=1).fit(X, Y)
    return Case(model.booster_.model_to_string().encode(), npy(X), model.predict(X, num_iteration=12)[:50])


def test_what_is_met_is_explained(service: Service) -> None:
    answer = ask(service, met())
    assert answer.status_code == 200, answer.text
    assert np.asarray(answer.json()["values"]).shape == X.shape


DIFFERENT = {
    "column_order": shuffled_columns,
    "category_codes": codes,
    "category_codes (pipeline)": codes_of_a_pipeline,
    "probability_for_margin": probability,
    "margin_for_probability": margin,
    "fewer_trees": best_iteration,
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_differs_is_refused_with_its_cause(service: Service, name: str) -> None:
    answer = ask(service, DIFFERENT[name]())
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "expected_differs"), problem
    assert problem["data"]["cause"] == name.partition(" ")[0], problem["detail"]
    assert {"row", "found", "expected", "tolerance", "hint"} <= problem["data"].keys()
    assert problem["data"]["hint"] in problem["detail"]
    job = service.job(problem["job_id"])
    assert (job["status"], len(job["attempt_log"])) == ("failed", 1), "what cannot get better is not tried again"


def test_predictions_do_not_keep_jobs_from_sharing_a_model(service: Service) -> None:
    """The same model with others: the same template, as the log says."""
    model = forest()
    saved = skops.io.dumps(model)

    def loaded() -> int:
        return (service.stack.directory / "service.log").read_text().count("template_loaded")

    assert ask(service, Case(saved, npy(X[:9]), model.predict(X[:9]))).status_code == 200
    before = loaded()
    assert before
    for rows in (3, 5):
        assert ask(service, Case(saved, npy(X[:9]), model.predict(X[:rows]))).status_code == 200
    wrong = ask(service, Case(saved, npy(X[:9]), model.predict(X[:9]) + 1))
    assert wrong.json()["code"] == "expected_differs"
    assert loaded() == before


def test_predictions_that_cannot_be_compared(service: Service) -> None:
    case = met()
    case.files["expected"] = b"yes\nno\nyes\n"
    problem = ask(service, case).json()
    assert (problem["status"], problem["code"], problem["data"]["field"]) == (422, "bad_expected", "expected")
    assert "predict_proba" in problem["detail"]
