"""Over HTTP: inputs of every kind that once went wrong (see `cases/`), beside what the library that made each says."""

import io
import json
import lzma
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost

from tests.service.conftest import Service, npy

catboost = pytest.importorskip("catboost", reason="the extra catboost is not installed")

CASES = Path(__file__).parent / "cases"
FINE = 1e-9
SINGLE = 1e-5
"""Of XGBoost, which adds up in 32 bits."""

ASKING = ("permutation", "exact")
"""Explainers that ask the model and do not know its trees."""


def content(name: str) -> bytes:
    """A file of a case, by the number of the case and the file's name."""
    number, _, file = name.partition("/")
    (folder,) = CASES.glob(f"{number}-*")
    packed = folder / f"{file}.xz"
    return lzma.decompress(packed.read_bytes()) if packed.exists() else (folder / file).read_bytes()


def array(name: str) -> Any:
    return np.load(io.BytesIO(content(name)))


def frame(name: str) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(content(name)))


class Explained:
    """A job that was waited for, with its values, (rows, features) for a single output."""

    def __init__(self, service: Service, answer: Any) -> None:
        assert answer.status_code == 200, answer.text
        self.result: dict[str, Any] = answer.json()
        self.job = service.job(self.result["job_id"])
        self.values = np.array(self.result["values"])
        self.base = np.array(self.result["base_values"])
        self.sums = self.values.sum(axis=1) + (self.base if self.values.ndim > 2 else self.base[0])
        self.warned = {found["code"]: found["message"] for found in self.job["warnings"]}


def ask(
    service: Service, model: str, data: str | bytes, background: str | bytes = b"", expected: Any = None, **options: Any
) -> Any:
    files = {"model": model, "data": data} | ({"background": background} if background else {})
    files = {part: content(file) if isinstance(file, str) else file for part, file in files.items()}
    files |= {"expected": npy(np.asarray(expected))} if expected is not None else {}
    fields = {"options": json.dumps(options)}
    return service.http.post("/analyze", files=files, data=fields, headers={"Prefer": "wait=50"})


def explained(service: Service, *parts: str, **options: Any) -> Explained:
    return Explained(service, ask(service, *parts, **options))


def trusted(name: str) -> Any:
    """The estimator, as its author's library reads it; the file is ours."""
    raw = content(name)
    return skops.io.loads(raw, trusted=skops.io.get_untrusted_types(data=raw))


def cat(name: str) -> Any:
    return catboost.CatBoost().load_model(blob=content(name))


def test_01_categories_of_pandas_that_are_numbers(service: Service) -> None:
    booster = lightgbm.Booster(model_str=content("01/model.txt").decode())
    rows = frame("01/rows.csv").astype({"month": pd.CategoricalDtype(range(1, 13))})
    found = explained(service, "01/model.txt", "01/rows.csv")
    right = booster.predict(rows, pred_contrib=True)
    np.testing.assert_allclose(np.c_[found.values, np.full(len(rows), found.base)], right, rtol=0, atol=FINE)


@pytest.mark.parametrize("kind", ["", "_cat_first"])
def test_02_categories_that_are_not_first(service: Service, kind: str) -> None:
    found = explained(service, f"02/model{kind}.skops", f"02/rows{kind}.npy")
    meant = trusted(f"02/model{kind}.skops").predict(array(f"02/rows{kind}.npy"))
    np.testing.assert_allclose(found.sums, meant, rtol=0, atol=FINE)
    assert found.job["explainer"] == "tree"


def test_03_trees_without_a_split(service: Service) -> None:
    found = explained(service, "03/model.skops", "03/rows.npy")
    assert not found.values.any()
    np.testing.assert_allclose(found.sums, trusted("03/model.skops").predict(array("03/rows.npy")), atol=FINE)


OLD = ("04/logreg_ovr_sklearn161.skops", "04/rows.npy", "04/background.npy")


def test_04_another_scikit_learn_is_refused_with_both_versions_and_the_way_out(service: Service) -> None:
    problem = ask(service, *OLD).json()
    assert problem["code"] == "version_mismatch"
    for said in ("1.6.1", "1.9", "`expected`", "multi_class"):
        assert said in problem["detail"]


def test_04_predictions_of_the_other_scikit_learn_decide(service: Service) -> None:
    """Its margins are the same here, and its probabilities are not."""
    model, rows, background = trusted(OLD[0]), array(OLD[1]), array(OLD[2])
    found = explained(service, *OLD, expected=rows @ model.coef_.T + model.intercept_)
    right = (rows - background.mean(axis=0))[:, :, None] * model.coef_.T
    np.testing.assert_allclose(found.values, right, rtol=0, atol=FINE)
    said = array("04/predict_proba_of_logreg_ovr_in_161.npy")
    problem = ask(service, *OLD, expected=said, model_output="probability", explainer="permutation").json()
    assert (problem["code"], problem["data"]["cause"]) == ("expected_differs", "library_version")
    assert "1.6.1" in problem["detail"]


def test_05_monotone_trees_without_weights_in_their_leaves(service: Service) -> None:
    found = explained(service, "05/model.cbm", "05/rows.npy", "05/background.npy")
    np.testing.assert_allclose(found.sums, cat("05/model.cbm").predict(array("05/rows.npy")), rtol=0, atol=FINE)
    assert found.job["explainer"] in ASKING
    assert "path-dependent" in found.job["reason"]


def test_06_the_first_of_two_outputs_is_named(service: Service) -> None:
    """With a background, both are explained."""
    own = cat("06/model.cbm").predict(array("06/rows.npy"), prediction_type="RawFormulaVal")
    found = explained(service, "06/model.cbm", "06/rows.npy")
    np.testing.assert_allclose(found.sums, own[:, 0], rtol=0, atol=FINE)
    assert "first of the 2 outputs" in found.warned["first_output"]
    found = explained(service, "06/model.cbm", "06/rows.npy", "06/background.npy")
    np.testing.assert_allclose(found.sums, own, rtol=0, atol=FINE)


def test_07_a_sum_of_models(service: Service) -> None:
    rows = array("07/rows.npy")
    found, own = explained(service, "07/model.cbm", "07/rows.npy"), cat("07/model.cbm")
    right = own.get_feature_importance(catboost.Pool(rows), type="ShapValues")
    np.testing.assert_allclose(np.c_[found.values, np.full(len(rows), found.base)], right, rtol=0, atol=FINE)


@pytest.mark.parametrize("kind", ["onehot_1to4", "log", "boxcox", "onehot_text"])
def test_08_pipelines_that_take_no_zeros(service: Service, kind: str) -> None:
    text = "_text" if kind.endswith("text") else ""
    found = explained(service, f"08/{kind}.skops", f"08/rows{text}.csv", f"08/background{text}.csv")
    meant = trusted(f"08/{kind}.skops").predict(frame(f"08/rows{text}.csv"))
    np.testing.assert_allclose(found.sums, meant, rtol=0, atol=FINE)


@pytest.mark.parametrize(("kind", "version"), [("gbr_sklearn180", "1.8.0"), ("hgbr_sklearn161", "1.6.1")])
def test_09_boosting_of_older_versions(service: Service, kind: str, version: str) -> None:
    """Their losses lay elsewhere."""
    found = explained(service, f"09/{kind}.skops", "09/rows.npy")
    assert found.job["explainer"] == "tree"
    assert version in found.warned["library_version"]


@pytest.mark.parametrize("version", ["1.3.2", "1.4.2", "1.6.1"])
def test_09_categories_of_older_histogram_boosting(service: Service, version: str) -> None:
    """As codes until 1.3, by a preprocessor since; one that was not seen in training is missing to both."""
    short = version.replace(".", "")
    found = explained(service, f"09/hgbr_categories_sklearn{short}.skops", "09/rows_categories.npy")
    np.testing.assert_allclose(found.sums, array(f"09/predict_sklearn{short}.npy"), rtol=0, atol=FINE)
    assert found.job["explainer"] == "tree"
    assert version in found.warned["library_version"]
    assert "200.0" in found.warned["unknown_category"]


def test_10_categories_of_xgboost(service: Service) -> None:
    booster, rows = xgboost.Booster(model_file=bytearray(content("10/model.json"))), frame("10/rows.csv")
    found = explained(service, "10/model.json", "10/rows.csv")
    codes = xgboost.DMatrix(rows.to_numpy(float), feature_names=list(rows), feature_types=booster.feature_types)
    right = booster.predict(codes, pred_contribs=True)
    np.testing.assert_allclose(np.c_[found.values, np.full(len(rows), found.base)], right, rtol=0, atol=SINGLE)


def test_11_leaves_far_larger_than_their_sum(service: Service) -> None:
    found = explained(service, "11/fz1144.ubj", "11/fz1144.npy")
    assert np.isfinite(found.values).all()


def test_12_a_tiny_share_of_covers(service: Service) -> None:
    tree = trusted("12/model.skops").tree_
    covers, leaves = tree.weighted_n_node_samples[1:], tree.value.ravel()[1:]
    found = explained(service, "12/model.skops", "12/rows.npy")
    np.testing.assert_allclose(found.base, covers @ leaves / covers.sum(), rtol=1e-12)


NOT_FINITE = [
    ("nan_intercept", "rows.csv"),
    ("x_coef1e308", "rows.csv"),
    ("x_knn1e308", "rows.csv"),
    ("sk-internal-1", "rows5.csv"),
    ("sk-internal-166", "rows5.csv"),
]


@pytest.mark.parametrize(("kind", "rows"), NOT_FINITE)
def test_13_what_is_not_finite_fails_by_name_and_hides_no_other_job(service: Service, kind: str, rows: str) -> None:
    data = npy(frame(f"13/{rows}").to_numpy(float))
    answer = ask(service, f"13/{kind}.skops", data, data)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "not_finite"), problem
    listed = service.http.get("/jobs").raise_for_status().json()["jobs"]
    assert problem["job_id"] in {job["job_id"] for job in listed}


def test_14_parallel_trees_that_the_file_does_not_count(service: Service) -> None:
    """Nothing in it tells 1 from 2 or 4: the job is warned, and predictions that are sent along decide."""
    found = explained(service, "14/es_x102_reg.json", "14/t5.csv")
    assert "if it was 2 or 4, values are wrong" in found.warned["parallel_trees_unknown"]
    problem = ask(service, "14/es_x102_reg.json", "14/t5.csv", expected=array("14/expected.npy").ravel()).json()
    assert (problem["code"], problem["data"]["cause"]) == ("expected_differs", "parallel_trees_unknown")
    assert "save the booster again with XGBoost 1.4" in problem["detail"]


def test_15_linear_trees_are_left_to_permutation_with_the_reason(service: Service) -> None:
    problem = ask(service, "15/l335_lin.txt", "15/old.csv").json()
    assert (problem["code"], "linear models (linear_tree)" in problem["detail"]) == ("background_required", True)
    found = explained(service, "15/l335_lin.txt", "15/old.csv", "15/old.csv")
    own = lightgbm.Booster(model_str=content("15/l335_lin.txt").decode())
    np.testing.assert_allclose(found.sums, own.predict(frame("15/old.csv")), rtol=0, atol=FINE)
    assert found.job["explainer"] in ASKING
    assert "linear" in found.job["reason"]
